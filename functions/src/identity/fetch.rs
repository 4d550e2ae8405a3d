//! Fetches JSON documents of the issuer, with the HTTP client that the AWS SDK contains.

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    client::{http::HttpConnector, orchestrator::HttpRequest, result::ConnectorError},
    http::HttpError,
};
use aws_smithy_types::byte_stream::{ByteStream, error::Error as BodyError};
use axum::http::Uri;
use serde::de::DeserializeOwned;
use std::{net::IpAddr, time::Duration};
use tokio::time::timeout;

/// The time limit for one document. A caller is waiting for it.
const LIMIT: Duration = Duration::from_secs(2);
/// The largest document, in bytes.
const MAX_BYTES: usize = 256 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("its address is no address")]
    Address(#[from] HttpError),
    #[error("it cannot be reached")]
    Connect(#[from] ConnectorError),
    #[error("it did not answer within {} s", LIMIT.as_secs())]
    TimedOut,
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer ended early")]
    Body(#[from] BodyError),
    #[error("its answer is too large")]
    TooLarge,
    #[error("its answer cannot be read")]
    Unreadable(#[from] serde_json::Error),
}

pub(super) struct Fetch(Connector);

impl Fetch {
    pub(super) fn new() -> Self {
        Self(Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build())
    }

    /// Fetches the JSON document at this address. Redirects are not followed.
    pub(super) async fn json<T: DeserializeOwned>(&self, url: &str) -> Result<T, Error> {
        timeout(LIMIT, self.bytes(url)).await.unwrap_or(Err(Error::TimedOut)).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
    }

    async fn bytes(&self, url: &str) -> Result<Vec<u8>, Error> {
        let response = self.0.call(HttpRequest::get(url)?).await?;
        if !response.status().is_success() {
            return Err(Error::Status(response.status().as_u16()));
        }
        let mut body = ByteStream::new(response.into_body());
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() > MAX_BYTES {
                return Err(Error::TooLarge);
            }
        }
        Ok(bytes)
    }
}

/// Whether the sender of a document at this address is certain. It is certain with TLS. Without
/// TLS, the address must be on this machine, or a container on the same network. The name of a
/// container has no dot.
pub(super) fn is_trustworthy(url: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default();
    match url.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => !host.is_empty() && !host.contains('.'),
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_nearby() {
        for url in
            ["https://issuer.example/x", "http://127.0.0.1:4566", "http://[::1]:80/", "http://localhost:1/p", "http://keycloak:8080/"]
        {
            assert!(is_trustworthy(url), "{url}");
        }
        for url in
            ["http://issuer.example", "http://10.0.0.1/", "http://[fe80::1]/", "ftp://localhost/", "issuer.example", "/x", "", "http://"]
        {
            assert!(!is_trustworthy(url), "{url}");
        }
    }
}
