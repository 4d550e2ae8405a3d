//! Opens connections to Temporal. The credentials come from settings or from a secret.

use super::{Error, Settings, Timeouts};
use crate::{
    secrets::{self, Secret},
    trace::{self, TraceInterceptor},
};
use serde::Deserialize;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use temporalio_client::{
    Client, ClientInterceptor, ClientOptions, ClientTlsOptions, Connection, ConnectionOptions, GrpcCompression, RetryOptions, TlsOptions,
    Url,
    errors::ClientConnectError,
    tonic::{Code, Status},
};

/// The age at which the secret is read again if Temporal cannot be reached. If the client
/// certificate has expired, Temporal only seems to be unreachable.
pub const RENEW: Duration = Duration::from_secs(60);

/// The credentials for Temporal.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    api_key: Option<String>,
    /// The client certificate as PEM text. The key is PEM text, too.
    client_cert: Option<String>,
    client_key: Option<String>,
}

impl Secret for Credentials {
    const WANTED: &'static str = "apiKey, or with clientCert and clientKey";

    fn is_complete(&self) -> bool {
        self.client_cert.is_some() == self.client_key.is_some() && (self.api_key.is_some() || self.client_cert.is_some())
    }
}

/// Opens connections to Temporal. The connector keeps the content of the secret. It reads the
/// secret again if Temporal refuses the credentials, or if a connection fails and the content is
/// older than [`RENEW`].
pub struct Connector {
    settings: Settings,
    identity: &'static str,
    timeouts: Timeouts,
    /// The content of the secret, and the time at which it was read.
    secret: Mutex<Option<(Credentials, Instant)>>,
}

impl Connector {
    #[must_use]
    pub fn new(settings: Settings, identity: &'static str, timeouts: Timeouts) -> Self {
        Self { settings, identity, timeouts, secret: Mutex::default() }
    }

    /// Whether the credentials come from a secret. A secret may have changed since it was read.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.settings.temporal_secret_arn.is_some()
    }

    /// Opens a connection and checks that the server answers. Later the connection reconnects by
    /// itself, but always with the same credentials.
    ///
    /// # Errors
    /// Fails if the address is not valid, the secret cannot be read, or the server does not answer
    /// within the time limits.
    pub async fn connect(&self) -> Result<Client, Error> {
        let connected = self.connect_as(self.credentials().await?).await;
        if let Err(error) = &connected {
            let outdated = |(_, read_at): &mut (Credentials, Instant)| read_at.elapsed() > RENEW || error.refuses_credentials();
            self.secret.lock().unwrap_or_else(PoisonError::into_inner).take_if(outdated);
        }
        connected
    }

    /// Drops the stored content of the secret, so that the next connection reads it again. Call it
    /// when Temporal refuses the credentials of a connection.
    pub fn forget_credentials(&self) {
        *self.secret.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let settings = self.settings.clone();
        let Some(arn) = settings.temporal_secret_arn else {
            return Ok(Credentials {
                api_key: settings.temporal_api_key,
                client_cert: settings.temporal_tls_client_cert,
                client_key: settings.temporal_tls_client_key,
            });
        };
        if let Some((credentials, _)) = &*self.secret.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(credentials.clone());
        }
        let credentials: Credentials = secrets::read("TEMPORAL_SECRET_ARN", &arn).await?;
        *self.secret.lock().unwrap_or_else(PoisonError::into_inner) = Some((credentials.clone(), Instant::now()));
        Ok(credentials)
    }

    async fn connect_as(&self, credentials: Credentials) -> Result<Client, Error> {
        let (settings, timeouts) = (&self.settings, self.timeouts);
        let scheme = if settings.temporal_tls { "https" } else { "http" };
        let target = format!("{scheme}://{}", settings.temporal_host_port).parse::<Url>().map_err(|_| Error::Address)?;
        let retries = RetryOptions::builder().max_elapsed_time(Some(timeouts.call)).build();
        let options = ConnectionOptions::new(target)
            .identity(self.identity)
            .connect_timeout(timeouts.connect)
            .retry_options(retries)
            // Payloads are small. Compressing them would cost client and server more CPU than it
            // saves.
            .grpc_compression(GrpcCompression::None)
            .maybe_api_key(credentials.api_key)
            .maybe_tls_options(settings.temporal_tls.then(|| tls(credentials.client_cert.zip(credentials.client_key))))
            .build();
        let connection = Connection::connect(options).await.map_err(|error| Error::Connect(Box::new(error)))?;
        let interceptors = if trace::is_on() { vec![Arc::new(TraceInterceptor) as Arc<dyn ClientInterceptor>] } else { Vec::new() };
        let options = ClientOptions::new(settings.temporal_namespace.clone()).client_interceptors(interceptors).build();
        Ok(Client::new(connection, options)?)
    }
}

impl Error {
    /// Whether Temporal answered and refused the credentials.
    fn refuses_credentials(&self) -> bool {
        match self {
            Self::Connect(error) => matches!(&**error, ClientConnectError::SystemInfoCallError(status) if refuses_credentials(status)),
            _ => false,
        }
    }
}

/// Whether this status means that Temporal refused the credentials, or does not permit the call.
#[must_use]
pub fn refuses_credentials(status: &Status) -> bool {
    matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied)
}

/// Whether this status means that the call may not have reached Temporal. Temporal may be down, or
/// it may close each new connection because of the client certificate.
#[must_use]
pub fn is_unreached(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown)
}

fn tls(client: Option<(String, String)>) -> TlsOptions {
    let client =
        client.map(|(cert, key)| ClientTlsOptions::builder().client_cert(cert.into_bytes()).client_private_key(key.into_bytes()).build());
    TlsOptions::builder().maybe_client_tls_options(client).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_a_key_or_a_whole_certificate() {
        let complete = |text: &str| serde_json::from_str::<Credentials>(text).unwrap().is_complete();
        assert!(complete(r#"{"apiKey":"k"}"#));
        assert!(complete(r#"{"clientCert":"c","clientKey":"k"}"#));
        assert!(!complete("{}"));
        assert!(!complete(r#"{"clientCert":"c"}"#));
        assert!(!complete(r#"{"apiKey":"k","clientKey":"k"}"#));
    }
}
