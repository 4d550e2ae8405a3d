//! Calls of Stripe's API, by the HTTP client that the AWS SDK brings: it speaks TLS as all of our connections do.

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

/// The version of the API whose answers are read here; an account's own default may be any.
const VERSION: &str = "2025-03-31.basil";
/// How long a connection may take. How long a call may take, the attempt at the activity says.
const CONNECT: Duration = Duration::from_secs(2);
/// How long Stripe may be silent, for calls that nobody limits.
const SILENCE: Duration = Duration::from_secs(60);
/// The largest answer, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// Idempotency keys that are tried for one call.
const KEYS: u8 = 3;

/// What a call's form holds, as names and values.
pub(super) type Form<'a> = &'a [(&'a str, &'a str)];

/// The encoded form, and the idempotency key if there is one.
type Posted<'a> = (&'a str, Option<&'a str>);

pub(super) struct Client {
    http: Connector,
    url: String,
    key: Key,
}

/// What Stripe did.
pub(super) struct Answer<T> {
    pub(super) content: T,
    /// It is the stored answer to an earlier request with the same idempotency key, so things may have changed since.
    pub(super) replayed: bool,
}

impl Client {
    /// Calls nothing yet.
    ///
    /// # Errors
    /// When the settings lack a key, or it would not be safe on its way.
    pub(super) async fn new(settings: &Settings) -> anyhow::Result<Self> {
        let limits = HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(SILENCE).build();
        let http = Connector::builder().connector_settings(limits).tls_provider(Provider::Rustls(CryptoMode::Ring)).build();
        Ok(Self { http, url: settings.url()?.to_owned(), key: Key::new(settings).await? })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: Form<'_>) -> Result<T, Failure> {
        let path = format!("{path}?{}", encode(query));
        Ok(self.call(&path, None).await?.content)
    }

    /// Has something done, once for each idempotency key.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, form: Form<'_>, idempotency_key: &str) -> Result<Answer<T>, Failure> {
        self.call(path, Some((&encode(form), Some(idempotency_key)))).await
    }

    /// Has something done that may be asked for at any time and again, since nothing is done when nothing is left to do. Under a key, a refusal
    /// that has passed would be repeated for a day.
    pub(super) async fn post_unkeyed<T: DeserializeOwned>(&self, path: &str, form: Form<'_>) -> Result<T, Failure> {
        Ok(self.call(path, Some((&encode(form), None))).await?.content)
    }

    /// Has something done that cannot be done twice, whatever the idempotency keys: what it changes is in one state before and in another after.
    /// Stripe stores a failure of its own, too, and would answer with it for a day; such a call is then made anew under the next key, which is the
    /// same for everybody.
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
        // The error would quote the key.
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
