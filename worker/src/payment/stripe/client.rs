//! Calls of Stripe's API.

use super::{
    Settings,
    failure::{Failure, Head},
    key::{self, Credentials},
};
use anyhow::{Context as _, anyhow};
use form_urlencoded::Serializer;
use platform::{
    http::{self, Answer as HttpAnswer, HttpRequest, SdkBody},
    secrets::ApiKey,
};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The API version of the answers that this code reads. It is sent with each call, because the
/// account's default version may be another one.
const API_VERSION: &str = "2025-03-31.basil";
/// The time limit for opening a connection. The time limit of the call is that of the activity's
/// attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit until an answer begins. It ends calls that have no other time limit.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The maximum size of an answer, in bytes.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// The maximum number of idempotency keys that are tried for one call.
const MAX_KEYS: u8 = 3;

/// The fields of a form or query, as names and values.
pub(super) type Form<'a> = &'a [(&'a str, &'a str)];

/// An encoded form, and its idempotency key if it has one.
type FormRequest<'a> = (&'a str, Option<&'a str>);

pub(super) struct Client {
    http: http::Client,
    url: String,
    key: ApiKey<Credentials>,
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
    /// Fails if there is no key, if the secret with the key cannot be read, or if `STRIPE_URL`
    /// would send the key unencrypted to another machine.
    pub(super) async fn new(settings: &Settings) -> anyhow::Result<Self> {
        let http = http::Client::new(CONNECT_TIMEOUT, READ_TIMEOUT, MAX_ANSWER_BYTES);
        Ok(Self { http, url: settings.url()?.to_owned(), key: key::read(settings).await? })
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

    /// Sends a form that does no harm if it is sent under several idempotency keys. Such a form
    /// changes an object's state, and Stripe accepts it only in the earlier state; or it creates an
    /// intent, which moves no money until it is confirmed. Stripe also stores its own internal
    /// errors under a key, and would repeat such an error for a day. In this case the form is sent
    /// again under the next key. All workers use the same sequence of keys.
    pub(super) async fn post_guarded<T: DeserializeOwned>(&self, path: &str, form: Form<'_>, key: &str) -> Result<Answer<T>, Failure> {
        let mut answer = self.post(path, form, key).await;
        for number in 2..=MAX_KEYS {
            if !matches!(answer, Err(Failure::Unavailable { stored: true, .. })) {
                break;
            }
            answer = self.post(path, form, &format!("{key}:{number}")).await;
        }
        answer
    }

    /// Makes a call. If Stripe refuses the API key (401) and the secret now contains another one,
    /// repeats the call once with that.
    async fn call<T: DeserializeOwned>(&self, path: &str, form: Option<FormRequest<'_>>) -> Result<Answer<T>, Failure> {
        let key = self.key.current().await;
        let (mut head, mut body) = self.send(path, form, &key).await.map_err(Failure::unavailable)?;
        if head.status == 401
            && let Some(key) = self.key.refresh(&key).await
        {
            (head, body) = self.send(path, form, &key).await.map_err(Failure::unavailable)?;
        }
        if let Some(failure) = Failure::from_response(&head, &body) {
            return Err(failure);
        }
        let content = serde_json::from_slice(&body);
        let content =
            content.map_err(|_| Failure::unavailable(anyhow!("an answer of Stripe's cannot be read (request {})", head.request_id)))?;
        Ok(Answer { content, replayed: head.replayed })
    }

    async fn send(&self, path: &str, form: Option<FormRequest<'_>>, key: &str) -> anyhow::Result<(Head, Vec<u8>)> {
        let mut request = HttpRequest::new(form.map_or_else(SdkBody::empty, |(form, _)| SdkBody::from(form)));
        request.set_uri(format!("{}{path}", self.url))?;
        let headers = request.headers_mut();
        // The original error is dropped, because it would quote the key.
        headers.try_insert("authorization", format!("Bearer {key}")).map_err(|_| anyhow!("the Stripe key contains invalid characters"))?;
        headers.try_insert("stripe-version", API_VERSION)?;
        if let Some((_, idempotency_key)) = form {
            headers.try_insert("content-type", "application/x-www-form-urlencoded")?;
            if let Some(idempotency_key) = idempotency_key {
                headers.try_insert("idempotency-key", idempotency_key.to_owned())?;
            }
            request.set_method("POST")?;
        }
        let answer = self.http.call(request).await.context("Stripe did not answer")?;
        Ok((read_head(&answer), answer.body))
    }
}

fn read_head(answer: &HttpAnswer) -> Head {
    let header = |name: &str| answer.headers.get(name);
    Head {
        status: answer.status,
        replayed: header("idempotent-replayed") == Some("true"),
        should_retry: header("stripe-should-retry").map(|value| value == "true"),
        request_id: header("request-id").unwrap_or("unknown").to_owned(),
    }
}

fn encode(form: Form<'_>) -> String {
    Serializer::new(String::new()).extend_pairs(form).finish()
}
