//! Sends spans with the HTTP client that OrderFlow has already.
//!
//! X-Ray accepts only signed requests. So if the endpoint is X-Ray's, requests are signed with the
//! credentials of the process. Then no collector is needed in AWS.

use crate::{
    aws::{self, Timeouts},
    error::{BoxError, chain},
    http::{Client, HttpRequest, SdkBody},
};
use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use tokio::{runtime::Handle, sync::OnceCell, time::timeout};

/// The time limits: for opening a connection, and for the whole request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const SEND_TIMEOUT: Duration = Duration::from_secs(3);
/// The maximum size of an answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// The time between two log lines about spans that could not be sent.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Sends batches of spans. The thread that batches the spans is outside the async runtime, so the
/// request runs as a task of the runtime.
#[derive(Clone)]
pub(super) struct Exporter {
    shared: Arc<Shared>,
    runtime: Handle,
}

struct Shared {
    http: Client,
    /// The region, if the endpoint is X-Ray's.
    xray_region: Option<String>,
    credentials: OnceCell<SharedCredentialsProvider>,
    warned: Mutex<Option<Instant>>,
}

impl Exporter {
    pub(super) fn new(endpoint: &str, runtime: Handle) -> Self {
        let shared = Shared {
            http: Client::new(CONNECT_TIMEOUT, SEND_TIMEOUT, MAX_ANSWER_BYTES),
            xray_region: xray_region(endpoint).map(str::to_owned),
            credentials: OnceCell::new(),
            warned: Mutex::default(),
        };
        Self { shared: Arc::new(shared), runtime }
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exporter")
    }
}

#[async_trait]
impl HttpClient for Exporter {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let shared = Arc::clone(&self.shared);
        let sent = self.runtime.spawn(async move {
            let sent = timeout(SEND_TIMEOUT, shared.send(request)).await.unwrap_or_else(|_| Err("no answer in time".into()));
            sent.inspect_err(|error| shared.warn(&chain(&**error)))
        });
        sent.await?
    }
}

impl Shared {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        if let Some(region) = &self.xray_region {
            self.sign(region, &mut request).await?;
        }
        let (head, body) = request.into_parts();
        let mut outgoing = HttpRequest::new(SdkBody::from(body));
        outgoing.set_method(head.method.as_str())?;
        outgoing.set_uri(head.uri.to_string())?;
        for (name, value) in &head.headers {
            outgoing.headers_mut().try_insert(name.as_str().to_owned(), value.to_str()?.to_owned())?;
        }
        let answer = self.http.call(outgoing).await?;
        if !(200..300).contains(&answer.status) {
            return Err(format!("status {}", answer.status).into());
        }
        Ok(Response::builder().status(answer.status).body(Bytes::from(answer.body))?)
    }

    async fn sign(&self, region: &str, request: &mut Request<Bytes>) -> Result<(), BoxError> {
        let provider = self
            .credentials
            .get_or_try_init(|| async {
                aws::config(Timeouts::BACKGROUND).await.credentials_provider().ok_or("there are no AWS credentials")
            })
            .await?;
        let identity = provider.provide_credentials().await?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("xray")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let uri = request.uri().to_string();
        let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(request.method().as_str(), uri, headers, SignableBody::Bytes(request.body()))?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }

    /// Logs that spans are lost, but not for each batch.
    fn warn(&self, cause: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL) {
            *warned = Some(Instant::now());
            tracing::warn!(cause, "spans could not be exported and are lost; orders are not affected");
        }
    }
}

/// The region of X-Ray's endpoint; `None` for any other endpoint.
fn xray_region(endpoint: &str) -> Option<&str> {
    endpoint.strip_prefix("https://xray.")?.strip_suffix(".amazonaws.com").filter(|region| !region.contains(['.', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_to_x_ray_are_signed() {
        assert_eq!(xray_region("https://xray.eu-central-1.amazonaws.com"), Some("eu-central-1"));
        for other in ["http://xray.eu-central-1.amazonaws.com", "https://xray.x.y.amazonaws.com", "http://127.0.0.1:4318"] {
            assert_eq!(xray_region(other), None, "{other}");
        }
    }
}
