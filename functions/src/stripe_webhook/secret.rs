//! The secret with which Stripe signs its events. Where it lies in Secrets Manager it is read when the first event comes, and again when a signature
//! is wrong, since somebody may have rotated it.

use crate::http::{Kind, Problem, signature};
use platform::secrets::{self, Secret};
use serde::Deserialize;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::Mutex;

/// Setting that holds the secret's ARN.
const SETTING: &str = "STRIPE_SECRET_ARN";
/// The secret is not read more often than this, however many wrong signatures come: anybody can send one.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(clap::Args, Clone)]
#[group(id = "stripe")]
pub struct Settings {
    /// ARN of the secret with Stripe's secretKey and webhookSecret; used instead of the secret below.
    #[arg(long, env = "STRIPE_SECRET_ARN")]
    pub stripe_secret_arn: Option<String>,
    /// The secret with which Stripe signs its events. Neither set: there is no webhook.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET", hide_env_values = true)]
    pub stripe_webhook_secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    webhook_secret: String,
}

impl Secret for Credentials {
    const WANTED: &'static str = "webhookSecret";

    fn is_complete(&self) -> bool {
        !self.webhook_secret.is_empty()
    }
}

/// Tells Stripe's events from others'.
pub enum WebhookSecret {
    /// Stripe is not used here.
    None,
    Set(String),
    InSecretsManager {
        arn: String,
        /// What it held, and when it was read.
        known: Mutex<Option<(String, Instant)>>,
    },
}

impl WebhookSecret {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let set = |value: Option<String>| value.filter(|value| !value.is_empty());
        match (set(settings.stripe_secret_arn), set(settings.stripe_webhook_secret)) {
            (Some(arn), _) => Self::InSecretsManager { arn, known: Mutex::default() },
            (None, Some(secret)) => Self::Set(secret),
            (None, None) => Self::None,
        }
    }

    /// Whether Stripe signed this body, just now.
    pub(super) async fn verify(&self, header: &str, body: &[u8]) -> Result<(), Problem> {
        let verify = |secret: &str| signature::verify(header, secret.as_bytes(), body, OffsetDateTime::now_utc().unix_timestamp());
        let verified = match self {
            Self::None => return Err(Problem::new(Kind::NotFound, "Stripe is not used here.")),
            Self::Set(secret) => verify(secret),
            Self::InSecretsManager { arn, known } => {
                let secret = current(arn, known, None).await?;
                match verify(&secret) {
                    Err(signature::Error::Wrong) => verify(&current(arn, known, Some(&secret)).await?),
                    verified => verified,
                }
            }
        };
        verified.map_err(|error| Problem::new(Kind::InvalidSignature, format!("In the header {}, {error}.", super::SIGNATURE)))
    }
}

/// The secret; read anew when it is not known, or when it has not been read for a while and what was known does not fit.
async fn current(arn: &str, known: &Mutex<Option<(String, Instant)>>, misfit: Option<&str>) -> Result<String, Problem> {
    let mut known = known.lock().await;
    if let Some((secret, read_at)) = &*known
        && (misfit != Some(secret) || read_at.elapsed() < PAUSE)
    {
        return Ok(secret.clone());
    }
    let read: Credentials = secrets::read(SETTING, arn).await.map_err(|error| Problem::unavailable(super::TRY_AGAIN, error))?;
    Ok(known.insert((read.webhook_secret, Instant::now())).0.clone())
}
