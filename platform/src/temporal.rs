//! The connection to Temporal: a local server, a self-hosted one, or Temporal Cloud.

use std::time::Duration;
use temporalio_client::{
    Client, ClientOptions, ClientTlsOptions, Connection, ConnectionOptions, GrpcCompression, RetryOptions, TlsOptions, Url,
    errors::{ClientConnectError, ClientNewError},
};

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
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("TEMPORAL_HOST_PORT is not host:port")]
    Address,
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

/// Connects, and checks that the server answers. The connection heals itself afterwards.
///
/// # Errors
/// When the address is no address, or nothing answers there within `patience.connect`.
pub async fn connect(settings: &Settings, identity: &str, patience: Patience) -> Result<Client, Error> {
    let scheme = if settings.temporal_tls { "https" } else { "http" };
    let target = format!("{scheme}://{}", settings.temporal_host_port).parse::<Url>().map_err(|_| Error::Address)?;
    let retries = RetryOptions::builder().max_elapsed_time(Some(patience.call)).build();
    let options = ConnectionOptions::new(target)
        .identity(identity)
        .connect_timeout(patience.connect)
        .retry_options(retries)
        .maybe_tls_options(settings.temporal_tls.then(|| tls(settings)))
        // Payloads are small; compressing each costs client and server more CPU than it saves.
        .grpc_compression(GrpcCompression::None)
        .maybe_api_key(settings.temporal_api_key.clone())
        .build();
    let connection = Connection::connect(options).await.map_err(|error| Error::Connect(Box::new(error)))?;
    Ok(Client::new(connection, ClientOptions::new(settings.temporal_namespace.clone()).build())?)
}

fn tls(settings: &Settings) -> TlsOptions {
    let client = settings.temporal_tls_client_cert.as_ref().zip(settings.temporal_tls_client_key.as_ref());
    let client = client.map(|(cert, key)| {
        ClientTlsOptions::builder().client_cert(cert.clone().into_bytes()).client_private_key(key.clone().into_bytes()).build()
    });
    TlsOptions::builder().maybe_client_tls_options(client).build()
}
