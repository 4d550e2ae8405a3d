//! Stripe's secret key. It may come from a secret that is rotated at any time. If Stripe refuses
//! the key, the secret is read again.

use super::Settings;
use anyhow::Context;
use platform::{
    error::chain,
    secrets::{self, Secret},
};
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The setting that holds the secret's ARN.
const SETTING: &str = "STRIPE_SECRET_ARN";
/// The minimum time between two reads of the secret, however many calls Stripe refuses.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    secret_key: String,
}

impl Secret for Credentials {
    const WANTED: &'static str = "secretKey";

    fn is_complete(&self) -> bool {
        !self.secret_key.is_empty()
    }
}

pub(super) struct Key {
    secret_arn: Option<String>,
    cached: Mutex<CachedKey>,
}

struct CachedKey {
    key: String,
    read_at: Instant,
}

impl Key {
    /// Reads the key from the settings or from the secret.
    ///
    /// # Errors
    /// Fails if there is no key, or if the secret cannot be read.
    pub(super) async fn new(settings: &Settings) -> anyhow::Result<Self> {
        let secret_arn = settings.stripe_secret_arn.clone();
        let key = match &secret_arn {
            Some(arn) => secrets::read::<Credentials>(SETTING, arn).await?.secret_key,
            None => settings.stripe_secret_key.clone().context("STRIPE_SECRET_KEY is not set: PAYMENT_GATEWAY=stripe needs it")?,
        };
        Ok(Self { secret_arn, cached: Mutex::new(CachedKey { key, read_at: Instant::now() }) })
    }

    pub(super) async fn current(&self) -> String {
        self.cached.lock().await.key.clone()
    }

    /// Reads the secret again, and returns its key if that is not the refused one. Calls during the
    /// read wait for its result. If the secret was read a moment ago, it is not read again.
    pub(super) async fn refresh(&self, refused: &str) -> Option<String> {
        let arn = self.secret_arn.as_ref()?;
        let mut cached = self.cached.lock().await;
        if cached.key == refused && cached.read_at.elapsed() > MIN_REFRESH_INTERVAL {
            cached.read_at = Instant::now();
            match secrets::read::<Credentials>(SETTING, arn).await {
                Ok(credentials) => cached.key = credentials.secret_key,
                Err(error) => tracing::warn!(error = chain(&error), "Stripe refuses the key, and the secret cannot be read"),
            }
        }
        (cached.key != refused).then(|| cached.key.clone())
    }
}
