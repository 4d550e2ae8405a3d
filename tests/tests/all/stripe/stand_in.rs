//! A stand-in for Stripe. stripe-mock checks that a request fits Stripe's API, and provides the
//! fields of the answer. [`Ledger`] keeps the state as Stripe's documentation describes. Tests can
//! inject faults into later requests.

use super::{
    documented_answer, headers_of,
    ledger::{Answer, Form, Intent, Ledger},
    mock::StripeMock,
};
use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// A fault that is injected into a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The request is executed, but its answer is lost.
    AnswerLost,
    /// The answer is this document; the request is not executed.
    Refused(&'static str),
    /// The answer is this document, and it is stored under the idempotency key.
    RefusedAndStored(&'static str),
    /// Stripe fails, and stores the failure. `done` says whether the request was executed before.
    Fails { done: bool },
    /// Before the cancellation, somebody captures the amount.
    CapturedMeanwhile,
}

/// A request that was received.
#[derive(Clone, Debug)]
pub(super) struct ReceivedRequest {
    pub(super) call: String,
    pub(super) key: Option<String>,
    pub(super) form: Form,
    pub(super) status: u16,
}

pub(super) struct StandIn {
    pub(super) url: String,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

struct Inner {
    mock: &'static StripeMock,
    state: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    api_key: String,
    ledger: Ledger,
    /// The stored answers, by idempotency key, each with its request.
    stored: BTreeMap<String, ((String, Form), Answer)>,
    /// The faults of the next requests, by the end of their path.
    faults: Vec<(&'static str, Fault)>,
    received: Vec<ReceivedRequest>,
    /// Whether requests are neither executed nor answered.
    silent: bool,
}

impl StandIn {
    /// Starts a server that accepts one API key on this port. Port 0 means any free port.
    pub(super) async fn start(api_key: &str, port: u16) -> Result<Self> {
        let state = Mutex::new(Memory { api_key: api_key.to_owned(), ..Memory::default() });
        let inner = Arc::new(Inner { mock: StripeMock::shared().await?, state });
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let routes = Router::new().fallback(answer).with_state(inner.clone());
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { url, inner, server })
    }

    pub(super) fn rotate(&self, api_key: &str) {
        api_key.clone_into(&mut self.inner.memory().api_key);
    }

    /// Injects a fault into the next request whose path has this end.
    pub(super) fn inject(&self, path: &'static str, fault: Fault) {
        self.inner.memory().faults.push((path, fault));
    }

    /// Makes all later requests hang, or ends that.
    pub(super) fn hang_requests(&self, silent: bool) {
        self.inner.memory().silent = silent;
    }

    /// Forgets the idempotency keys, as Stripe does after a day
    /// (<https://docs.stripe.com/api/idempotent_requests>).
    pub(super) fn forget_keys(&self) {
        self.inner.memory().stored.clear();
    }

    /// Whether all injected faults have happened.
    pub(super) fn all_faults_injected(&self) -> bool {
        self.inner.memory().faults.is_empty()
    }

    pub(super) fn received(&self) -> Vec<ReceivedRequest> {
        self.inner.memory().received.clone()
    }

    /// The only payment intent of an order, with its id.
    pub(super) fn intent(&self, order_id: &str) -> Result<(String, Intent)> {
        let memory = self.inner.memory();
        let mut found = memory.ledger.intents.iter().filter(|(_, intent)| intent.order_id == order_id);
        let (id, intent) = found.next().with_context(|| format!("no intent of {order_id}"))?;
        anyhow::ensure!(found.next().is_none(), "{order_id} has two intents");
        Ok((id.clone(), intent.clone()))
    }

    /// Refunds an amount, as somebody can in Stripe's dashboard.
    pub(super) fn refund_in_dashboard(&self, id: &str, amount: i64) -> Result<()> {
        let form = Form::from([("payment_intent".to_owned(), id.to_owned()), ("amount".to_owned(), amount.to_string())]);
        let (status, answer) = self.inner.memory().ledger.refund(&form, Value::Object(Default::default()))?;
        anyhow::ensure!(status == 200, "{answer}");
        Ok(())
    }

    /// The customer's bank does not take back the newest refund of an intent.
    pub(super) fn fail_refund(&self, id: &str, reason: &'static str) -> Result<()> {
        self.inner.memory().ledger.fail_refund(id, reason)
    }

    /// Captures the amount, whatever the intent's state.
    pub(super) fn capture_in_dashboard(&self, id: &str) -> Result<()> {
        let mut memory = self.inner.memory();
        let intent = memory.ledger.intents.get_mut(id).context("no such intent")?;
        (intent.status, intent.captured, intent.authorizations) = ("succeeded", intent.amount, 1);
        Ok(())
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Inner {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer with its headers; `None` if the answer is lost.
type Outcome = Option<(Answer, Vec<(String, String)>)>;

async fn answer(State(inner): State<Arc<Inner>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if inner.memory().silent {
        pending::<()>().await;
    }
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let shape = inner.mock.check(&method, target, &headers, &body).await;
    let outcome = shape.and_then(|shape| inner.memory().serve(&method, &uri, &headers, &body, shape));
    match outcome {
        Ok(Some(((status, body), headers))) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            let mut response = (status, body.to_string()).into_response();
            for (name, value) in headers {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
        Ok(None) => pending().await,
        Err(error) => (StatusCode::NOT_IMPLEMENTED, format!("{error:#}")).into_response(),
    }
}

impl Memory {
    fn serve(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8], shape: Answer) -> Result<Outcome> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        let key = header("idempotency-key");
        let encoded = if method == Method::GET { uri.query().unwrap_or_default().as_bytes() } else { body };
        let form: Form = form_urlencoded::parse(encoded).into_owned().collect();
        let call = format!("{method} {}", uri.path());
        let outcome = if header("authorization") != Some(format!("Bearer {}", self.api_key)) {
            answered("invalid_api_key")?
        } else if shape.0 != 200 {
            Some((shape, Vec::new()))
        } else {
            anyhow::ensure!(header("stripe-version").is_some(), "no version");
            // Reversals use no idempotency key, because they may be repeated at any time.
            let reverses = call.ends_with("/cancel") || (call.ends_with("/refunds") && !form.contains_key("amount"));
            anyhow::ensure!((method == Method::POST && !reverses) == key.is_some(), "{call} has the idempotency key {key:?}");
            self.once(method, uri.path(), key.as_deref(), &form, shape.1)?
        };
        let status = outcome.as_ref().map_or(0, |((status, _), _)| *status);
        self.received.push(ReceivedRequest { call, key, form, status });
        Ok(outcome)
    }

    /// Executes a request once per idempotency key
    /// (<https://docs.stripe.com/api/idempotent_requests>).
    fn once(&mut self, method: &Method, path: &str, key: Option<&str>, form: &Form, shape: Value) -> Result<Outcome> {
        let request = (path.to_owned(), form.clone());
        if let Some((first, answer)) = key.and_then(|key| self.stored.get(key)) {
            if *first != request {
                return answered("idempotency_error");
            }
            return Ok(Some((answer.clone(), vec![("idempotent-replayed".to_owned(), "true".to_owned())])));
        }
        let fault = self.faults.iter().position(|(end, _)| path.ends_with(end)).map(|at| self.faults.remove(at).1);
        let answer = match fault {
            Some(Fault::Refused(name)) => return answered(name),
            Some(Fault::RefusedAndStored(name)) => documented_answer(name)?,
            Some(Fault::Fails { done }) => {
                if done {
                    self.ledger.execute(method, path, form, shape)?;
                }
                documented_answer("api_error")?
            }
            Some(Fault::CapturedMeanwhile) => {
                let id = path.split('/').nth(3).context("no id")?.to_owned();
                self.ledger.capture(&id, shape.clone())?;
                self.ledger.execute(method, path, form, shape)?
            }
            Some(Fault::AnswerLost) | None => self.ledger.execute(method, path, form, shape)?,
        };
        if let Some(key) = key {
            self.stored.insert(key.to_owned(), (request, answer.clone()));
        }
        Ok((fault != Some(Fault::AnswerLost)).then(|| (answer, vec![("request-id".to_owned(), "req_of_the_test".to_owned())])))
    }
}

/// An answer from Stripe's documentation.
fn answered(name: &str) -> Result<Outcome> {
    Ok(Some((documented_answer(name)?, headers_of(name)?)))
}
