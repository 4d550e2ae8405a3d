//! Stripe's secret key.

use super::Settings;
use anyhow::Context;
use platform::secrets::{ApiKey, Secret};
use serde::Deserialize;

/// The secret, as far as the worker reads it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credentials {
    secret_key: String,
}

impl Secret for Credentials {
    const WANTED: &'static str = "secretKey";

    fn is_complete(&self) -> bool {
        !self.secret_key.is_empty()
    }
}

impl From<Credentials> for String {
    fn from(credentials: Credentials) -> Self {
        credentials.secret_key
    }
}

/// Reads the key from the settings or from the secret.
///
/// # Errors
/// Fails if there is no key, or if the secret cannot be read.
pub(super) async fn read(settings: &Settings) -> anyhow::Result<ApiKey<Credentials>> {
    match settings.stripe_secret_arn.clone() {
        Some(arn) => Ok(ApiKey::from_secret("STRIPE_SECRET_ARN", arn).await?),
        None => {
            let key = settings.stripe_secret_key.clone().context("STRIPE_SECRET_KEY is not set: PAYMENT_GATEWAY=stripe needs it")?;
            Ok(ApiKey::fixed(key))
        }
    }
}
