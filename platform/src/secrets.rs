//! Secrets in AWS Secrets Manager: each is a JSON object of texts, as RDS writes its own.
//!
//! A secret is read when something is to be connected to, and again when what it holds is refused, so that it can be rotated under a running
//! process. Nothing of its content ever gets into an error or a log line.

use crate::aws::{self, Patience};
use aws_sdk_secretsmanager::Client;
use serde::de::DeserializeOwned;
use std::error::Error as StdError;

/// A secret is of no use. Each message is one line that names the setting that holds the secret's ARN.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{setting}: the secret {arn} cannot be read: {cause}")]
    Unreadable { setting: &'static str, arn: String, cause: String },
    #[error("{setting}: the secret {arn} must be a JSON object with {wanted}")]
    Malformed { setting: &'static str, arn: String, wanted: &'static str },
}

/// Content of a secret.
pub trait Secret: DeserializeOwned {
    /// What the JSON object must hold, for people to read.
    const WANTED: &'static str;

    /// Whether it can be used.
    fn is_complete(&self) -> bool {
        true
    }
}

/// Reads the current version of the secret that a setting names.
///
/// # Errors
/// When Secrets Manager does not give it, or it does not hold what it should.
pub async fn read<T: Secret>(setting: &'static str, arn: &str) -> Result<T, Error> {
    let client = Client::new(&aws::config(Patience::INTERACTIVE).await);
    let found = client.get_secret_value().secret_id(arn).send().await.map_err(|error| Error::Unreadable {
        setting,
        arn: arn.to_owned(),
        // The service's own words tell all; what happened on the way to it needs its causes.
        cause: error.as_service_error().map_or_else(|| chain(&error), ToString::to_string),
    })?;
    parse(found.secret_string().unwrap_or_default()).ok_or_else(|| Error::Malformed { setting, arn: arn.to_owned(), wanted: T::WANTED })
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// The parser's errors are dropped, since they quote what they stumble over.
fn parse<T: Secret>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok().filter(T::is_complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Password {
        password: String,
    }

    impl Secret for Password {
        const WANTED: &'static str = "a password";

        fn is_complete(&self) -> bool {
            !self.password.is_empty()
        }
    }

    #[test]
    fn a_secret_holds_what_it_should_and_may_hold_more() {
        let parsed = parse::<Password>(r#"{"password":"p","engine":"postgres"}"#);
        assert_eq!(parsed, Some(Password { password: "p".to_owned() }));
        for text in ["", "p", "{}", r#"{"password":1}"#, r#"{"password":""}"#] {
            assert_eq!(parse::<Password>(text), None, "{text}");
        }
    }
}
