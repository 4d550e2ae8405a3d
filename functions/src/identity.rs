//! Authentication: who calls the API.
//!
//! If `AUTH_ISSUER` is set, every call for orders needs an access token of that OpenID Connect
//! issuer. API Gateway's JWT authorizer has already verified the token, and the event contains its
//! claims. The functions trust these claims. Otherwise each cold start would need two requests to
//! the issuer, which functions without access to the internet cannot make. Outside API Gateway, and
//! if the claims in the event are incomplete or ambiguous, the token itself is verified with the
//! issuer's keys. In both cases, the same [`Policy`] then checks the claims. So a gateway that is
//! configured for another issuer or audience gives nobody access.
//!
//! Claims are never logged: people who read logs need not know who ordered what.

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
use gateway::GatewayClaims;
use keys::Keys;
use std::{fmt, sync::Arc};
use time::OffsetDateTime;

#[derive(clap::Args, Clone, Debug)]
#[group(id = "identity")]
pub struct Settings {
    /// Issuer of the access tokens that callers need: its OpenID Connect URL. If it is not set, the
    /// API is open to anyone, which is for local mode only.
    #[arg(long, env = "AUTH_ISSUER")]
    pub auth_issuer: Option<String>,
    /// Audience that a token must name. A token without an audience, such as Cognito's access
    /// tokens, must have this value as its client id. Separate several values with commas.
    #[arg(long, env = "AUTH_AUDIENCE", value_delimiter = ',')]
    pub auth_audience: Vec<String>,
    /// Scope that a token must have. If it is not set, any scope is accepted.
    #[arg(long, env = "AUTH_SCOPE")]
    pub auth_scope: Option<String>,
    /// Address of the issuer's configuration, if it is not
    /// AUTH_ISSUER/.well-known/openid-configuration.
    #[arg(long, env = "AUTH_DISCOVERY_URL")]
    pub auth_discovery_url: Option<String>,
    /// Address of the emulator. The API may be open only if this is set.
    #[arg(long, env = "AWS_ENDPOINT_URL", hide = true)]
    pub aws_endpoint_url: Option<String>,
}

/// The settings for authentication are incomplete or wrong.
#[derive(thiserror::Error)]
pub enum Error {
    #[error("AUTH_ISSUER is not set: without it the API is open to anyone, which is allowed only with an emulator (AWS_ENDPOINT_URL)")]
    OpenInAws,
    #[error("AUTH_AUDIENCE is not set: with AUTH_ISSUER it must name the audience of the tokens")]
    NoAudience,
    #[error("{0} must be an https URL, or an http URL of this machine or of a container")]
    Url(&'static str),
}

impl fmt::Debug for Error {
    /// If a main function returns an error, Rust prints its `Debug` text. So this text is the
    /// message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How the caller of a request is determined.
pub enum Identity {
    /// Authentication is off: anyone may call.
    Open,
    /// Callers need a token.
    Required(Box<Tokens>),
}

/// How tokens are verified.
pub struct Tokens {
    policy: Policy,
    keys: Keys,
}

impl Identity {
    /// Checks the settings. It fetches nothing, so the issuer may be away until the first token
    /// comes.
    ///
    /// # Errors
    /// Fails if a setting is missing or wrong.
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
        let claims = match parts.extensions.get::<GatewayClaims>() {
            Some(GatewayClaims(claims)) => claims.clone(),
            None => bearer::verify(bearer::bearer_token(&parts.headers)?, &tokens.keys).await?,
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
