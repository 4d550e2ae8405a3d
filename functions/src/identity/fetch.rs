//! Fetches JSON documents of the issuer.

use axum::http::Uri;
use platform::http::{self, Client};
use serde::de::DeserializeOwned;
use std::{net::IpAddr, time::Duration};
use tokio::time::timeout;

/// The time limit for one document. A caller is waiting for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
/// The largest document, in bytes.
const MAX_BYTES: usize = 256 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Call(#[from] http::Error),
    #[error("it did not answer within {} s", FETCH_TIMEOUT.as_secs())]
    TimedOut,
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer cannot be read")]
    Unreadable(#[from] serde_json::Error),
}

pub(super) struct Fetch(Client);

impl Fetch {
    pub(super) fn new() -> Self {
        Self(Client::new(FETCH_TIMEOUT, FETCH_TIMEOUT, MAX_BYTES))
    }

    /// Fetches the JSON document at this URL. Redirects are not followed.
    pub(super) async fn json<T: DeserializeOwned>(&self, url: &str) -> Result<T, Error> {
        let answer = timeout(FETCH_TIMEOUT, self.0.get(url)).await.map_err(|_| Error::TimedOut)??;
        if !(200..300).contains(&answer.status) {
            return Err(Error::Status(answer.status));
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

/// Whether a document from this URL certainly comes from the host that the URL names. With TLS, it
/// does. Without TLS, the host must be this machine or a container on the same network. The name of
/// a container has no dot.
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
