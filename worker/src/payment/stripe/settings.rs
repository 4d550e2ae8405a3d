//! The settings of the Stripe gateway: the address of the API, and the key.

use anyhow::bail;
use platform::http;

#[derive(clap::Args, Clone)]
#[group(id = "stripe")]
pub struct Settings {
    /// ARN of the secret that contains Stripe's secretKey and webhookSecret. It replaces the key
    /// below.
    #[arg(long, env = "STRIPE_SECRET_ARN")]
    pub stripe_secret_arn: Option<String>,
    /// Stripe's secret key, or a restricted key that may write payment intents and refunds and read
    /// charges.
    #[arg(long, env = "STRIPE_SECRET_KEY", hide_env_values = true)]
    pub stripe_secret_key: Option<String>,
    /// Address of Stripe's API.
    #[arg(long, env = "STRIPE_URL", default_value = "https://api.stripe.com")]
    pub stripe_url: String,
}

impl Settings {
    /// Whether a key is set, or a secret that contains one.
    pub(crate) fn has_key(&self) -> bool {
        self.stripe_secret_arn.is_some() || self.stripe_secret_key.is_some()
    }

    /// The address of the API without a slash at its end.
    ///
    /// # Errors
    /// Fails if others could read the key on its way to this address. The key is sent with each
    /// call.
    pub(super) fn url(&self) -> anyhow::Result<&str> {
        let url = self.stripe_url.trim_end_matches('/');
        if !http::is_private(url) {
            bail!("STRIPE_URL must be an https URL, or an http URL of this machine");
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_sent_to_no_address_where_others_can_read_it() {
        let settings = |url: &str| Settings { stripe_secret_arn: None, stripe_secret_key: None, stripe_url: url.to_owned() };
        assert_eq!(settings("http://127.0.0.1:12111/").url().unwrap(), "http://127.0.0.1:12111");
        assert!(settings("http://api.stripe.com").url().is_err());
    }
}
