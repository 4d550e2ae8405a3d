//! Where Stripe is, and what it knows us by.

use anyhow::bail;
use axum::http::Uri;
use std::net::IpAddr;

#[derive(clap::Args, Clone)]
#[group(id = "stripe")]
pub struct Settings {
    /// ARN of the secret with Stripe's secretKey and webhookSecret; used instead of the key below.
    #[arg(long, env = "STRIPE_SECRET_ARN")]
    pub stripe_secret_arn: Option<String>,
    /// Stripe's secret key, or a restricted one that may write payment intents and refunds and read charges.
    #[arg(long, env = "STRIPE_SECRET_KEY", hide_env_values = true)]
    pub stripe_secret_key: Option<String>,
    /// Where Stripe's API is.
    #[arg(long, env = "STRIPE_URL", default_value = "https://api.stripe.com")]
    pub stripe_url: String,
}

impl Settings {
    /// Whether there is a key, or is said to be.
    pub(crate) fn has_key(&self) -> bool {
        self.stripe_secret_arn.is_some() || self.stripe_secret_key.is_some()
    }

    /// The API's address without a slash at its end.
    ///
    /// # Errors
    /// When what is sent there could be read on its way: the key goes with each call.
    pub(super) fn url(&self) -> anyhow::Result<&str> {
        let url = self.stripe_url.trim_end_matches('/');
        if !is_private(url) {
            bail!("STRIPE_URL must be an https URL, or an http URL of this machine");
        }
        Ok(url)
    }
}

fn is_private(url: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    match url.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_goes_over_tls_or_stays_on_this_machine() {
        for url in ["https://api.stripe.com", "http://127.0.0.1:12111", "http://[::1]:1", "http://localhost:12111/"] {
            let settings = Settings { stripe_secret_arn: None, stripe_secret_key: None, stripe_url: url.to_owned() };
            assert_eq!(settings.url().unwrap(), url.trim_end_matches('/'));
        }
        for url in ["http://api.stripe.com", "http://10.0.0.1", "api.stripe.com", "ftp://localhost", "https://", ""] {
            assert!(!is_private(url), "{url}");
        }
    }
}
