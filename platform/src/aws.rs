//! The configuration of the AWS clients. As in every AWS SDK, the region, the credentials and
//! `AWS_ENDPOINT_URL` (the address of an emulator) come from the environment.

use crate::trace::{self, TracedClient};
pub use aws_config::SdkConfig;
use aws_config::{BehaviorVersion, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use std::time::Duration;

/// Timeouts and the number of attempts for a call to AWS.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The time limit for opening a connection.
    pub connect: Duration,
    /// The time limit for one attempt.
    pub attempt: Duration,
    /// The maximum number of attempts, including the first one.
    pub attempts: u32,
}

impl Timeouts {
    /// For a call whose client waits for the answer.
    pub const INTERACTIVE: Self = Self { connect: Duration::from_secs(1), attempt: Duration::from_secs(2), attempts: 3 };
    /// For background work.
    pub const BACKGROUND: Self = Self { connect: Duration::from_secs(2), attempt: Duration::from_secs(5), attempts: 3 };
}

/// Loads the configuration from which every AWS client of the process is created.
pub async fn config(limits: Timeouts) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(limits.connect).operation_attempt_timeout(limits.attempt).build();
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(if trace::is_on() { SharedHttpClient::new(TracedClient(http)) } else { http })
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(limits.attempts).with_initial_backoff(Duration::from_millis(50)))
        .load()
        .await
}
