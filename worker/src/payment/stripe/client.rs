//! Calls of Stripe's API. They use the HTTP client of the AWS SDK, so TLS works as in the worker's
//! other connections.

use super::{
    Settings,
    failure::{Failure, Head},
    key::Key,
};
use anyhow::{Context, anyhow};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorSettings},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use form_urlencoded::Serializer;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The API version of the answers that this code reads. It is sent with each call, because the
/// account's default version may be another one.
const VERSION: &str = "2025-03-31.basil";
/// The time limit for opening a connection. The time limit of the call is that of the activity's
/// attempt.
const CONNECT: Duration = Duration::from_secs(2);
/// How long Stripe may send nothing. This ends calls that have no other time limit.
const SILENCE: Duration = Duration::from_secs(60);
/// The maximum size of an answer, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// The maximum number of idempotency keys that are tried for one call.
const KEYS: u8 = 3;

/// The fields of a form or query, as names and values.
pub(super) type Form<'a> = &'a [(&'a str, &'a str)];

/// An encoded form, and its idempotency key if it has one.
type Posted<'a> = (&'a str, Option<&'a str>);

pub(super) struct Client {
    http: Connector,
    url: String,
    key: Key,
}

/// A successful answer.
pub(super) struct Answer<T> {
    pub(super) content: T,
    /// True if this is Stripe's stored answer to an earlier request with the same idempotency key.
    /// The object may have changed since then.
    pub(super) replayed: bool,
}

impl Client {
    /// Creates the client without calling Stripe.
    ///
    /// # Errors
    /// Fails if there is no key, if the secret with the key cannot be read, or if the key could be
    /// read on its way to Stripe.
    pub(super) async fn new(settings: &Settings) -> anyhow::Result<Self> {
        let limits = HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(SILENCE).build();
        let http = Connector::builder().connector_settings(limits).tls_provider(Provider::Rustls(CryptoMode::Ring)).build();
        Ok(Self { http, url: settings.url()?.to_owned(), key: Key::new(settings).await? })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: Form<'_>) -> Result<T, Failure> {
        let path = format!("{path}?{}", encode(query));
        Ok(self.call(&path, None).await?.content)
    }

    /// Sends a form. Stripe executes it once for each idempotency key.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, form: Form<'_>, idempotency_key: &str) -> Result<Answer<T>, Failure> {
        self.call(path, Some((&encode(form), Some(idempotency_key)))).await
    }

    /// Sends a form without an idempotency key. This is for requests that may be repeated at any
    /// time, because they do nothing if nothing is left to do. Under a key, Stripe would repeat a
    /// stored refusal for a day, even if its cause is gone.
    pub(super) async fn post_unkeyed<T: DeserializeOwned>(&self, path: &str, form: Form<'_>) -> Result<T, Failure> {
        Ok(self.call(path, Some((&encode(form), None))).await?.content)
    }

    /// Sends a form that cannot take effect twice, whatever the idempotency keys: it changes an
    /// object's state, and is only possible in the state before. Stripe also stores its own
    /// internal errors under a key, and would repeat such an error for a day. In this case the form
    /// is sent again under the next key. All workers use the same sequence of keys.
    pub(super) async fn post_guarded<T: DeserializeOwned>(&self, path: &str, form: Form<'_>, key: &str) -> Result<Answer<T>, Failure> {
        let mut answer = self.post(path, form, key).await;
        for number in 2..=KEYS {
            if !matches!(answer, Err(Failure::Unavailable { stored: true, .. })) {
                break;
            }
            answer = self.post(path, form, &format!("{key}:{number}")).await;
        }
        answer
    }

    /// Makes a call. If Stripe refuses the API key (401) and the secret now contains another one,
    /// repeats the call once with that.
    async fn call<T: DeserializeOwned>(&self, path: &str, posted: Option<Posted<'_>>) -> Result<Answer<T>, Failure> {
        let key = self.key.current().await;
        let (mut head, mut body) = self.exchange(path, posted, &key).await.map_err(Failure::unavailable)?;
        if head.status == 401
            && let Some(key) = self.key.renewed(&key).await
        {
            (head, body) = self.exchange(path, posted, &key).await.map_err(Failure::unavailable)?;
        }
        if let Some(failure) = Failure::of(&head, &body) {
            return Err(failure);
        }
        let content = serde_json::from_slice(&body);
        let content =
            content.map_err(|_| Failure::unavailable(anyhow!("an answer of Stripe's cannot be read (request {})", head.request_id)))?;
        Ok(Answer { content, replayed: head.replayed })
    }

    async fn exchange(&self, path: &str, posted: Option<Posted<'_>>, key: &str) -> anyhow::Result<(Head, Vec<u8>)> {
        let mut request = HttpRequest::new(posted.map_or_else(SdkBody::empty, |(form, _)| SdkBody::from(form)));
        request.set_uri(format!("{}{path}", self.url))?;
        let headers = request.headers_mut();
        // The original error is dropped, because it would quote the key.
        headers.try_insert("authorization", format!("Bearer {key}")).map_err(|_| anyhow!("Stripe's key is none"))?;
        headers.try_insert("stripe-version", VERSION)?;
        if let Some((_, idempotency_key)) = posted {
            headers.try_insert("content-type", "application/x-www-form-urlencoded")?;
            if let Some(idempotency_key) = idempotency_key {
                headers.try_insert("idempotency-key", idempotency_key.to_owned())?;
            }
            request.set_method("POST")?;
        }
        let response = self.http.call(request).await.context("Stripe cannot be reached")?;
        let head = head(&response);
        let mut stream = ByteStream::new(response.into_body());
        let mut body = Vec::new();
        while let Some(chunk) = stream.next().await {
            body.extend_from_slice(&chunk.context("an answer of Stripe's ended early")?);
            anyhow::ensure!(body.len() <= MAX_BYTES, "an answer of Stripe's is too large");
        }
        Ok((head, body))
    }
}

fn head(response: &HttpResponse) -> Head {
    let header = |name: &str| response.headers().get(name);
    Head {
        status: response.status().as_u16(),
        replayed: header("idempotent-replayed") == Some("true"),
        should_retry: header("stripe-should-retry").map(|value| value == "true"),
        request_id: header("request-id").unwrap_or("unknown").to_owned(),
    }
}

fn encode(form: Form<'_>) -> String {
    Serializer::new(String::new()).extend_pairs(form).finish()
}
