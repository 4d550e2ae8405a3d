//! The secret with which the sender of a webhook signs its messages.
//!
//! If the secret is in Secrets Manager, it is read when the first message comes. It is read again
//! if a signature is wrong, because the secret may have been rotated.

use super::{Kind, Problem, signature};
use axum::http::HeaderMap;
use platform::secrets::{self, Secret};
use serde::Deserialize;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::Mutex;

/// The minimum time between two reads of the secret. Anybody can send wrong signatures. They must
/// not cause more reads than this.
const PAUSE: Duration = Duration::from_secs(5);
const TRY_AGAIN: &str = "The message cannot be checked right now; send it again.";

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

/// Verifies that a message comes from the sender.
pub struct WebhookSecret {
    /// The name of the header that contains the signature.
    header: &'static str,
    source: Source,
}

enum Source {
    /// No such sender is configured.
    None,
    Setting(String),
    SecretsManager {
        /// The name of the setting that contains the ARN.
        setting: &'static str,
        arn: String,
        /// The secret, and the time at which it was read.
        known: Mutex<Option<(String, Instant)>>,
    },
}

impl WebhookSecret {
    /// Uses the secret of Secrets Manager if there is an ARN, and otherwise `secret`. `setting` is
    /// the name of the setting that contains the ARN. If there is neither, there is no such
    /// webhook.
    #[must_use]
    pub fn new(header: &'static str, (setting, arn): (&'static str, Option<String>), secret: Option<String>) -> Self {
        let source = match (arn, secret) {
            (Some(arn), _) => Source::SecretsManager { setting, arn, known: Mutex::default() },
            (None, Some(secret)) => Source::Setting(secret),
            (None, None) => Source::None,
        };
        Self { header, source }
    }

    /// Verifies that the sender signed this body, and that the signature is not too old.
    ///
    /// # Errors
    /// 400 if the signature is missing, wrong or too old; 404 if no such sender is configured; 503
    /// if the secret cannot be read.
    pub async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
        let header = headers.get(self.header).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let verify = |secret: &str| signature::verify(header, secret.as_bytes(), body, OffsetDateTime::now_utc().unix_timestamp());
        let verified = match &self.source {
            Source::None => return Err(Problem::new(Kind::NotFound, "This webhook is not configured.")),
            Source::Setting(secret) => verify(secret),
            Source::SecretsManager { setting, arn, known } => {
                let secret = current_secret(setting, arn, known, None).await?;
                match verify(&secret) {
                    Err(signature::Error::Wrong) => verify(&current_secret(setting, arn, known, Some(&secret)).await?),
                    verified => verified,
                }
            }
        };
        verified.map_err(|error| Problem::new(Kind::InvalidSignature, format!("In the header {}, {error}.", self.header)))
    }
}

/// Returns the secret, and reads it first if it is not known. `refused_secret` is the secret that
/// did not match the signature. If the known secret is still that one and was read longer than
/// [`PAUSE`] ago, it is read again.
async fn current_secret(
    setting: &'static str,
    arn: &str,
    known: &Mutex<Option<(String, Instant)>>,
    refused_secret: Option<&str>,
) -> Result<String, Problem> {
    let mut known = known.lock().await;
    if let Some((secret, read_at)) = &*known
        && (refused_secret != Some(secret) || read_at.elapsed() < PAUSE)
    {
        return Ok(secret.clone());
    }
    let read: Credentials = secrets::read(setting, arn).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    Ok(known.insert((read.webhook_secret, Instant::now())).0.clone())
}
