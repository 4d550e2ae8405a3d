//! The configuration of the AWS clients. Region, credentials and `AWS_ENDPOINT_URL` (an emulator) come from the environment, as in every AWS SDK.

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use std::time::Duration;

/// How long to wait for AWS before giving up on a call.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection to be made.
    pub connect: Duration,
    /// For one attempt.
    pub attempt: Duration,
    /// Attempts, the first included.
    pub attempts: u32,
}

impl Patience {
    /// For a function that somebody waits for.
    pub const INTERACTIVE: Self = Self { connect: Duration::from_secs(1), attempt: Duration::from_secs(2), attempts: 3 };
    /// For work in the background.
    pub const BACKGROUND: Self = Self { connect: Duration::from_secs(2), attempt: Duration::from_secs(5), attempts: 3 };
}

/// The configuration that every AWS client of the process is made from.
pub async fn config(patience: Patience) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(patience.connect).operation_attempt_timeout(patience.attempt).build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(patience.attempts).with_initial_backoff(Duration::from_millis(50)))
        .load()
        .await
}
