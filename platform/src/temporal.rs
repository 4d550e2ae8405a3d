//! The connection to Temporal: a local server, a self-hosted one, or Temporal Cloud.

mod backlog;
mod connector;

use crate::secrets;
pub use backlog::Backlog;
pub use connector::{Connector, RENEW, is_unreached, refuses_credentials};
use std::time::Duration;
use temporalio_client::{
    Client, NamespacedClient,
    errors::{ClientConnectError, ClientNewError},
    tonic,
};
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeNamespaceRequest;

#[derive(clap::Args, Clone)]
#[group(id = "temporal")]
pub struct Settings {
    /// host:port of the Temporal server's frontend.
    #[arg(long, env = "TEMPORAL_HOST_PORT", default_value = "127.0.0.1:7233")]
    pub temporal_host_port: String,
    /// The Temporal namespace of the orders.
    #[arg(long, env = "TEMPORAL_NAMESPACE", default_value = "default")]
    pub temporal_namespace: String,
    /// The task queue on which worker and functions meet.
    #[arg(long, env = "TEMPORAL_TASK_QUEUE", default_value = orders::TASK_QUEUE)]
    pub temporal_task_queue: String,
    /// Whether to speak TLS; Temporal Cloud needs it.
    #[arg(long, env = "TEMPORAL_TLS", default_value_t = false, action = clap::ArgAction::Set)]
    pub temporal_tls: bool,
    /// API key of Temporal Cloud.
    #[arg(long, env = "TEMPORAL_API_KEY", hide_env_values = true)]
    pub temporal_api_key: Option<String>,
    /// Client certificate for mutual TLS: PEM text.
    #[arg(long, env = "TEMPORAL_TLS_CLIENT_CERT", hide_env_values = true, requires = "temporal_tls_client_key")]
    pub temporal_tls_client_cert: Option<String>,
    /// Private key of the client certificate: PEM text.
    #[arg(long, env = "TEMPORAL_TLS_CLIENT_KEY", hide_env_values = true, requires = "temporal_tls_client_cert")]
    pub temporal_tls_client_key: Option<String>,
    /// ARN of the secret with the API key, or with client certificate and key; used instead of the three above.
    #[arg(long, env = "TEMPORAL_SECRET_ARN")]
    pub temporal_secret_arn: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("TEMPORAL_HOST_PORT is not host:port")]
    Address,
    #[error(transparent)]
    Secret(#[from] secrets::Error),
    #[error("Temporal cannot be reached")]
    Connect(#[source] Box<ClientConnectError>),
    #[error("the Temporal client cannot be made")]
    Client(#[from] ClientNewError),
}

/// How long to wait for Temporal before giving up on a call.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection to be made.
    pub connect: Duration,
    /// For one call, its retries included.
    pub call: Duration,
}

/// Asks Temporal for a sign of life, from the client's namespace: where that is none, no order moves.
///
/// # Errors
/// When Temporal does not answer, or has no such namespace.
pub async fn ping(client: &Client) -> Result<(), tonic::Status> {
    let request = DescribeNamespaceRequest { namespace: client.namespace(), ..Default::default() };
    client.connection().workflow_service().describe_namespace(tonic::Request::new(request)).await.map(|_| ())
}
