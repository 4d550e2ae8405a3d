//! HTTP calls to services other than AWS. They use the HTTP client that the AWS SDK contains, so
//! TLS works as in the calls to AWS.

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector as _, HttpConnectorSettings},
        result::ConnectorError,
    },
    http::{Headers, HttpError},
};
use aws_smithy_types::byte_stream::{ByteStream, error::Error as BodyError};
use http::Uri;
use std::{net::IpAddr, time::Duration};
use tokio::time::{error::Elapsed, timeout};

pub use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
pub use aws_smithy_types::body::SdkBody;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("its URL is not valid")]
    Url(#[from] HttpError),
    #[error("it cannot be reached")]
    Connect(#[from] ConnectorError),
    #[error("its answer ended early")]
    Body(#[from] BodyError),
    #[error("its answer stopped before its end")]
    Stalled(#[from] Elapsed),
    #[error("its answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// The answer to a call, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// A client that keeps its connections open. Redirects are not followed.
#[derive(Debug)]
pub struct Client {
    connector: Connector,
    silence: Duration,
    max_bytes: usize,
}

impl Client {
    /// Creates the client without connecting. `connect` is the time limit for opening a connection.
    /// `silence` is the time limit until the answer begins, and for each pause within its body; it
    /// does not limit the time for the whole body. An answer with more than `max_bytes` is an error.
    #[must_use]
    pub fn new(connect: Duration, silence: Duration, max_bytes: usize) -> Self {
        let limits = HttpConnectorSettings::builder().connect_timeout(connect).read_timeout(silence).build();
        let connector = Connector::builder().connector_settings(limits).tls_provider(Provider::Rustls(CryptoMode::Ring)).build();
        Self { connector, silence, max_bytes }
    }

    /// Fetches the document at this URL.
    ///
    /// # Errors
    /// Fails as [`Client::call`] does.
    pub async fn get(&self, url: &str) -> Result<Answer, Error> {
        self.call(HttpRequest::get(url)?).await
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Fails if there is no complete answer, or if the answer is too large.
    pub async fn call(&self, request: HttpRequest) -> Result<Answer, Error> {
        let response = self.connector.call(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut stream = ByteStream::new(response.into_body());
        let mut body = Vec::new();
        while let Some(chunk) = timeout(self.silence, stream.next()).await? {
            body.extend_from_slice(&chunk?);
            if body.len() > self.max_bytes {
                return Err(Error::TooLarge(self.max_bytes));
            }
        }
        Ok(Answer { status, headers, body })
    }
}

/// Whether nobody else can read what is sent to this URL: it uses TLS, or stays on this machine.
#[must_use]
pub fn is_private(url: &str) -> bool {
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn what_is_private_uses_tls_or_stays_on_this_machine() {
        for url in ["https://api.stripe.com", "http://127.0.0.1:12111", "http://[::1]:1", "http://localhost:12111/"] {
            assert!(is_private(url), "{url}");
        }
        for url in ["http://api.stripe.com", "http://10.0.0.1", "api.stripe.com", "ftp://localhost", "https://", ""] {
            assert!(!is_private(url), "{url}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_stops_in_its_body_is_given_up() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let read = connection.read(&mut [0; 1024]).await.unwrap();
            assert!(read > 0);
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
            // Keeps the connection open.
            std::future::pending::<()>().await;
        };
        let client = Client::new(Duration::from_secs(5), Duration::from_millis(500), 100);
        tokio::select! {
            () = server => unreachable!(),
            answer = client.get(&url) => assert!(matches!(answer, Err(Error::Stalled(_))), "{answer:?}"),
        }
    }
}
