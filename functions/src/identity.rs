//! Who calls the API.
//!
//! With `AUTH_ISSUER` set, every call for orders must come with a token of that OpenID Connect issuer. Behind API Gateway its JWT authorizer has
//! verified the token, and its claims come with the event: trusting them spares a cold start two requests to the issuer, and functions without a
//! way to the internet need none. Everywhere else, and for what the event cannot tell exactly, the token itself is verified with the issuer's
//! keys. Both ways the same [`Policy`] then looks at the claims, so that a gateway that was set up for another issuer or audience lets nobody in.
//!
//! No claim is ever logged: whoever reads logs need not know who ordered what.

mod bearer;
mod caller;
mod claims;
mod fetch;
pub(crate) mod gateway;
mod keys;
mod refusal;
mod signature;

use crate::http::Problem;
use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
pub use caller::Caller;
use claims::Policy;
use gateway::Vouched;
use keys::Keys;
use std::{fmt, sync::Arc};
use time::OffsetDateTime;

#[derive(clap::Args, Clone, Debug)]
#[group(id = "identity")]
pub struct Settings {
    /// Issuer of the tokens that callers must bring: its OpenID Connect URL. Not set: the API is open, which is for local mode alone.
    #[arg(long, env = "AUTH_ISSUER")]
    pub auth_issuer: Option<String>,
    /// Audience that a token must be for, or the client id for tokens without an audience, such as Cognito's; several are separated by commas.
    #[arg(long, env = "AUTH_AUDIENCE", value_delimiter = ',')]
    pub auth_audience: Vec<String>,
    /// Scope that a token must have. Not set: any will do.
    #[arg(long, env = "AUTH_SCOPE")]
    pub auth_scope: Option<String>,
    /// Where the issuer's configuration is found, if not at AUTH_ISSUER/.well-known/openid-configuration.
    #[arg(long, env = "AUTH_DISCOVERY_URL")]
    pub auth_discovery_url: Option<String>,
    /// An emulator's address: only with one may the API be open.
    #[arg(long, env = "AWS_ENDPOINT_URL", hide = true)]
    pub aws_endpoint_url: Option<String>,
}

/// The settings do not say who may call.
#[derive(thiserror::Error)]
pub enum Error {
    #[error("AUTH_ISSUER is not set: without it the API is open to anyone, which it may only be on an emulator (AWS_ENDPOINT_URL)")]
    OpenInAws,
    #[error("AUTH_AUDIENCE is not set: with AUTH_ISSUER it must say for whom tokens are made")]
    NoAudience,
    #[error("{0} must be an https URL, or an http URL of this machine or of a container")]
    Url(&'static str),
}

impl fmt::Debug for Error {
    /// What a binary prints when its main fails.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Tells who calls.
pub enum Identity {
    /// Nobody is asked.
    Open,
    /// Callers must bring a token.
    Required(Box<Tokens>),
}

/// How tokens are verified.
pub struct Tokens {
    policy: Policy,
    keys: Keys,
}

impl Identity {
    /// Fetches nothing: the issuer may be away until the first token comes.
    ///
    /// # Errors
    /// When the settings contradict each other or are incomplete.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let Some(issuer) = settings.auth_issuer else {
            settings.aws_endpoint_url.ok_or(Error::OpenInAws)?;
            tracing::warn!("AUTH_ISSUER is not set: the API is open, and anyone may see, place and cancel any customer's orders");
            return Ok(Self::Open);
        };
        let audiences: Vec<_> = settings.auth_audience.into_iter().filter(|audience| !audience.is_empty()).collect();
        if audiences.is_empty() {
            return Err(Error::NoAudience);
        }
        let discovery_url = settings.auth_discovery_url;
        let (url, setting) = match &discovery_url {
            Some(url) => (url.clone(), "AUTH_DISCOVERY_URL"),
            None => (format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')), "AUTH_ISSUER"),
        };
        if !fetch::is_trustworthy(&url) {
            return Err(Error::Url(setting));
        }
        signature::provide();
        let keys = Keys::new(issuer.clone(), url);
        let policy = Policy { issuer, audiences, scope: settings.auth_scope };
        Ok(Self::Required(Box::new(Tokens { policy, keys })))
    }

    async fn caller(&self, parts: &Parts) -> Result<Caller, Problem> {
        let Self::Required(tokens) = self else { return Ok(Caller::Anyone) };
        let claims = match parts.extensions.get::<Vouched>() {
            Some(Vouched(claims)) => claims.clone(),
            None => bearer::verified(bearer::token(&parts.headers)?, &tokens.keys).await?,
        };
        tokens.policy.check(&claims, OffsetDateTime::now_utc().unix_timestamp())?;
        Ok(claims.into_caller())
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Identity>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Arc::<Identity>::from_ref(state).caller(parts).await
    }
}
