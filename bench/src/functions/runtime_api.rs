//! The Lambda runtime API as a function sees it: an HTTP server that gives one event to the
//! function and takes the answer.

use anyhow::{Context, Result, bail};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use std::{
    future::pending,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

/// The HTTP server. It serves until this value is dropped.
pub(crate) struct RuntimeApi {
    address: String,
    answers: UnboundedReceiver<Answer>,
    server: JoinHandle<()>,
}

struct Answer {
    at: Instant,
    /// The answer to the event, or the error that the function reported.
    outcome: Result<Bytes, Bytes>,
}

#[derive(Clone)]
struct Invocation {
    event: Arc<str>,
    taken: Arc<AtomicBool>,
    answers: UnboundedSender<Answer>,
}

impl RuntimeApi {
    pub(crate) async fn serve(event: String) -> Result<Self> {
        let (sender, answers) = unbounded_channel();
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(error))
            .with_state(Invocation { event: event.into(), taken: Arc::default(), answers: sender });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { address, answers, server })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Waits for the answer to the event and returns the time of its arrival.
    ///
    /// # Errors
    /// Fails if the function reported an error or answered with HTTP status 500 or above.
    pub(crate) async fn answered(&mut self) -> Result<Instant> {
        let Answer { at, outcome } = self.answers.recv().await.context("the runtime API has ended")?;
        match outcome {
            Ok(answer) if status(&answer) < Some(500) => Ok(at),
            Ok(said) | Err(said) => bail!("it failed: {}", String::from_utf8_lossy(&said)),
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The HTTP status in a function's answer to API Gateway. Answers of other functions have none.
fn status(answer: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(answer).ok()?.get("statusCode")?.as_u64()
}

async fn next(State(invocation): State<Invocation>) -> impl IntoResponse {
    // There is only one event, so the second call waits until the function is killed.
    if invocation.taken.swap(true, Ordering::Relaxed) {
        pending::<()>().await;
    }
    let headers = [
        ("lambda-runtime-aws-request-id", "bench"),
        // The end of the year 2099, which means no deadline.
        ("lambda-runtime-deadline-ms", "4102444799000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:bench"),
    ];
    (headers, invocation.event.to_string())
}

async fn response(State(invocation): State<Invocation>, body: Bytes) -> StatusCode {
    take(&invocation, Ok(body))
}

async fn error(State(invocation): State<Invocation>, body: Bytes) -> StatusCode {
    take(&invocation, Err(body))
}

fn take(invocation: &Invocation, outcome: Result<Bytes, Bytes>) -> StatusCode {
    match invocation.answers.send(Answer { at: Instant::now(), outcome }) {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::GONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(path: &str, body: &'static str) -> Result<Instant> {
        let mut api = RuntimeApi::serve("the event".to_owned()).await?;
        let (http, base) = (reqwest::Client::builder().no_proxy().build()?, format!("http://{}/2018-06-01/runtime", api.address()));
        let event = http.get(format!("{base}/invocation/next")).send().await?;
        assert_eq!(event.text().await?, "the event");
        assert_eq!(http.post(format!("{base}/{path}")).body(body).send().await?.status().as_u16(), 202);
        api.answered().await
    }

    #[tokio::test]
    async fn an_answer_counts_unless_the_function_failed() {
        assert!(answered("invocation/bench/response", r#"{"statusCode":404}"#).await.is_ok());
        assert!(answered("invocation/bench/response", r#"{"statusCode":503}"#).await.is_err());
        assert!(answered("invocation/bench/error", "{}").await.is_err());
        assert!(answered("init/error", "{}").await.is_err());
    }
}
