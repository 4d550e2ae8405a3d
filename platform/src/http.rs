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
use std::time::Duration;

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
    max_bytes: usize,
}

impl Client {
    /// Creates the client without connecting. `connect` is the time limit for opening a connection.
    /// `silence` is the time limit until the answer begins; it does not limit the time for reading
    /// the body. An answer with more than `max_bytes` is an error.
    #[must_use]
    pub fn new(connect: Duration, silence: Duration, max_bytes: usize) -> Self {
        let limits = HttpConnectorSettings::builder().connect_timeout(connect).read_timeout(silence).build();
        let connector = Connector::builder().connector_settings(limits).tls_provider(Provider::Rustls(CryptoMode::Ring)).build();
        Self { connector, max_bytes }
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
        while let Some(chunk) = stream.next().await {
            body.extend_from_slice(&chunk?);
            if body.len() > self.max_bytes {
                return Err(Error::TooLarge(self.max_bytes));
            }
        }
        Ok(Answer { status, headers, body })
    }
}
