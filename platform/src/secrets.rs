//! Secrets in AWS Secrets Manager. Each secret is a JSON object whose values are strings, like the
//! secrets that RDS writes.
//!
//! A secret is read before a connection is opened, and again if the server refuses its content. So
//! it can be rotated while processes run. No error and no log line ever contains any of its
//! content.

mod api_key;

use crate::{
    aws::{self, Timeouts},
    error::BoxError,
};
pub use api_key::ApiKey;
use aws_sdk_secretsmanager::{Client, error::SdkError};
use serde::de::DeserializeOwned;

/// Why a secret cannot be used. Each message names the setting that holds the ARN.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{setting}: the secret {arn} cannot be read")]
    Unreadable { setting: &'static str, arn: String, source: BoxError },
    #[error("{setting}: the secret {arn} must be a JSON object with {wanted}")]
    Malformed { setting: &'static str, arn: String, wanted: &'static str },
}

/// The content of a secret.
pub trait Secret: DeserializeOwned {
    /// The keys that the JSON object must have, as text for people.
    const WANTED: &'static str;

    /// Whether the content can be used.
    fn is_complete(&self) -> bool {
        true
    }
}

/// Reads the current version of a secret. `setting` is the name of the setting that holds its ARN.
///
/// # Errors
/// Fails if Secrets Manager does not return the secret, or the content is not as expected.
pub async fn read<T: Secret>(setting: &'static str, arn: &str) -> Result<T, Error> {
    let client = Client::new(&aws::config(Timeouts::INTERACTIVE).await);
    let found = client.get_secret_value().secret_id(arn).send().await.map_err(|error| Error::Unreadable {
        setting,
        arn: arn.to_owned(),
        // An error that Secrets Manager returned needs no wrapper.
        source: match error {
            SdkError::ServiceError(answer) => answer.into_err().into(),
            error => error.into(),
        },
    })?;
    parse(found.secret_string().unwrap_or_default()).ok_or_else(|| Error::Malformed { setting, arn: arn.to_owned(), wanted: T::WANTED })
}

/// Parses a secret. The parser's errors are dropped, because they quote the content.
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
