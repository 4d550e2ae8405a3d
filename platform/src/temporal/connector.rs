//! Connecting, with credentials that may lie in a secret.

use super::{Error, Patience, Settings};
use crate::secrets::{self, Secret};
use serde::Deserialize;
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use temporalio_client::{
    Client, ClientOptions, ClientTlsOptions, Connection, ConnectionOptions, GrpcCompression, RetryOptions, TlsOptions, Url,
    errors::ClientConnectError,
    tonic::{Code, Status},
};

/// After how long a secret is read again when Temporal cannot be reached: an outdated certificate shows as nothing more than that.
pub const RENEW: Duration = Duration::from_secs(60);

/// What Temporal knows us by.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    api_key: Option<String>,
    /// PEM text, as its key.
    client_cert: Option<String>,
    client_key: Option<String>,
}

impl Secret for Credentials {
    const WANTED: &'static str = "apiKey, or with clientCert and clientKey";

    fn is_complete(&self) -> bool {
        self.client_cert.is_some() == self.client_key.is_some() && (self.api_key.is_some() || self.client_cert.is_some())
    }
}

/// Makes connections to Temporal. It reads the secret once, and again after Temporal refused what it held.
pub struct Connector {
    settings: Settings,
    identity: &'static str,
    patience: Patience,
    /// What the secret held, and when it was read.
    secret: Mutex<Option<(Credentials, Instant)>>,
}

impl Connector {
    #[must_use]
    pub fn new(settings: Settings, identity: &'static str, patience: Patience) -> Self {
        Self { settings, identity, patience, secret: Mutex::default() }
    }

    /// Whether the credentials lie in a secret, where others may be by now.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.settings.temporal_secret_arn.is_some()
    }

    /// Connects, and checks that the server answers. The connection heals itself afterwards, but keeps its credentials.
    ///
    /// # Errors
    /// When the address is no address, the secret cannot be read, or nothing answers within the patience.
    pub async fn connect(&self) -> Result<Client, Error> {
        let connected = self.connect_as(self.credentials().await?).await;
        if let Err(error) = &connected {
            let outdated = |(_, read_at): &mut (Credentials, Instant)| read_at.elapsed() > RENEW || error.refuses_credentials();
            self.secret.lock().unwrap_or_else(PoisonError::into_inner).take_if(outdated);
        }
        connected
    }

    /// Has the next connection read the secret again; for when Temporal refuses what a connection was made with.
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
        let (settings, patience) = (&self.settings, self.patience);
        let scheme = if settings.temporal_tls { "https" } else { "http" };
        let target = format!("{scheme}://{}", settings.temporal_host_port).parse::<Url>().map_err(|_| Error::Address)?;
        let retries = RetryOptions::builder().max_elapsed_time(Some(patience.call)).build();
        let options = ConnectionOptions::new(target)
            .identity(self.identity)
            .connect_timeout(patience.connect)
            .retry_options(retries)
            // Payloads are small; compressing each costs client and server more CPU than it saves.
            .grpc_compression(GrpcCompression::None)
            .maybe_api_key(credentials.api_key)
            .maybe_tls_options(settings.temporal_tls.then(|| tls(credentials.client_cert.zip(credentials.client_key))))
            .build();
        let connection = Connection::connect(options).await.map_err(|error| Error::Connect(Box::new(error)))?;
        Ok(Client::new(connection, ClientOptions::new(settings.temporal_namespace.clone()).build())?)
    }
}

impl Error {
    /// Whether Temporal answers, and does not let us in.
    fn refuses_credentials(&self) -> bool {
        match self {
            Self::Connect(error) => matches!(&**error, ClientConnectError::SystemInfoCallError(status) if refuses_credentials(status)),
            _ => false,
        }
    }
}

/// Whether Temporal says with this that it does not know us, or does not let us do what we asked.
#[must_use]
pub fn refuses_credentials(status: &Status) -> bool {
    matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied)
}

/// Whether the call may not have got to Temporal: so it is when it is away, and also when it closes each new connection for its certificate.
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
