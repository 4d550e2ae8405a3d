//! The connection to Temporal: to a local server, a self-hosted server, or Temporal Cloud.

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
    /// host:port of the Temporal frontend.
    #[arg(long, env = "TEMPORAL_HOST_PORT", default_value = "127.0.0.1:7233")]
    pub temporal_host_port: String,
    /// Temporal namespace of the orders.
    #[arg(long, env = "TEMPORAL_NAMESPACE", default_value = "default")]
    pub temporal_namespace: String,
    /// Temporal task queue that the functions and the worker use.
    #[arg(long, env = "TEMPORAL_TASK_QUEUE", default_value = orders::TASK_QUEUE)]
    pub temporal_task_queue: String,
    /// Whether to use TLS. Temporal Cloud requires it.
    #[arg(long, env = "TEMPORAL_TLS", default_value_t = false, action = clap::ArgAction::Set)]
    pub temporal_tls: bool,
    /// API key for Temporal Cloud.
    #[arg(long, env = "TEMPORAL_API_KEY", hide_env_values = true)]
    pub temporal_api_key: Option<String>,
    /// Client certificate for mutual TLS, as PEM text.
    #[arg(long, env = "TEMPORAL_TLS_CLIENT_CERT", hide_env_values = true, requires = "temporal_tls_client_key")]
    pub temporal_tls_client_cert: Option<String>,
    /// Private key of the client certificate, as PEM text.
    #[arg(long, env = "TEMPORAL_TLS_CLIENT_KEY", hide_env_values = true, requires = "temporal_tls_client_cert")]
    pub temporal_tls_client_key: Option<String>,
    /// ARN of the secret that contains the API key, or the client certificate and its key. It
    /// replaces the three settings above.
    #[arg(long, env = "TEMPORAL_SECRET_ARN")]
    pub temporal_secret_arn: Option<String>,
    #[command(flatten)]
    pub search: Search,
}

/// The search attributes of orders.
#[derive(clap::Args, Clone)]
pub struct Search {
    /// Whether orders have search attributes in Temporal.
    #[arg(long, env = "TEMPORAL_SEARCH_ATTRIBUTES", default_value_t = false, action = clap::ArgAction::Set)]
    pub temporal_search_attributes: bool,
    /// Key of the hash of a customer's id, by which the orders of a customer are found. Without it,
    /// orders do not have this search attribute.
    #[arg(long, env = "TEMPORAL_CUSTOMER_KEY", hide_env_values = true)]
    pub temporal_customer_key: Option<String>,
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

/// Time limits for a connection to Temporal.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The time limit for opening a connection.
    pub connect: Duration,
    /// The time limit for one call, including its retries.
    pub call: Duration,
}

/// Checks that Temporal answers and that the client's namespace exists. Without the namespace, no
/// order can be processed.
///
/// # Errors
/// Fails if Temporal does not answer or has no such namespace.
pub async fn ping(client: &Client) -> Result<(), tonic::Status> {
    let request = DescribeNamespaceRequest { namespace: client.namespace(), ..Default::default() };
    client.connection().workflow_service().describe_namespace(tonic::Request::new(request)).await.map(|_| ())
}
