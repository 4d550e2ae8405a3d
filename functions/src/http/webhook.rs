//! The secret with which a sender signs what it sends to a webhook. Where it lies in Secrets Manager it is read when the first message comes, and
//! again when a signature is wrong, since somebody may have rotated it.

use super::{Kind, Problem, signature};
use axum::http::HeaderMap;
use platform::secrets::{self, Secret};
use serde::Deserialize;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::Mutex;

/// The secret is not read more often than this, however many wrong signatures come: anybody can send one.
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

/// Tells a sender's messages from others'.
pub struct WebhookSecret {
    /// The header with the signature.
    header: &'static str,
    source: Source,
}

enum Source {
    /// There is no such sender here.
    None,
    Set(String),
    SecretsManager {
        /// What holds the ARN.
        setting: &'static str,
        arn: String,
        /// What it held, and when it was read.
        known: Mutex<Option<(String, Instant)>>,
    },
}

impl WebhookSecret {
    /// A secret of Secrets Manager, by the setting that names it, or else this one; with neither there is no such webhook.
    #[must_use]
    pub fn new(header: &'static str, (setting, arn): (&'static str, Option<String>), secret: Option<String>) -> Self {
        let source = match (arn, secret) {
            (Some(arn), _) => Source::SecretsManager { setting, arn, known: Mutex::default() },
            (None, Some(secret)) => Source::Set(secret),
            (None, None) => Source::None,
        };
        Self { header, source }
    }

    /// Whether the sender signed this body, just now.
    ///
    /// # Errors
    /// When it did not, when there is no such sender, or when the secret cannot be read.
    pub async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
        let header = headers.get(self.header).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let verify = |secret: &str| signature::verify(header, secret.as_bytes(), body, OffsetDateTime::now_utc().unix_timestamp());
        let verified = match &self.source {
            Source::None => return Err(Problem::new(Kind::NotFound, "Nobody reports here.")),
            Source::Set(secret) => verify(secret),
            Source::SecretsManager { setting, arn, known } => {
                let secret = current(setting, arn, known, None).await?;
                match verify(&secret) {
                    Err(signature::Error::Wrong) => verify(&current(setting, arn, known, Some(&secret)).await?),
                    verified => verified,
                }
            }
        };
        verified.map_err(|error| Problem::new(Kind::InvalidSignature, format!("In the header {}, {error}.", self.header)))
    }
}

/// The secret; read anew when it is not known, or when it has not been read for a while and what was known does not fit.
async fn current(
    setting: &'static str,
    arn: &str,
    known: &Mutex<Option<(String, Instant)>>,
    misfit: Option<&str>,
) -> Result<String, Problem> {
    let mut known = known.lock().await;
    if let Some((secret, read_at)) = &*known
        && (misfit != Some(secret) || read_at.elapsed() < PAUSE)
    {
        return Ok(secret.clone());
    }
    let read: Credentials = secrets::read(setting, arn).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    Ok(known.insert((read.webhook_secret, Instant::now())).0.clone())
}
