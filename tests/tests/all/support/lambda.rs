//! A Lambda function as AWS runs it: the binary in its own process, which asks a runtime API for
//! its next event.

use super::Shop;
use anyhow::{Context as _, Result, anyhow, bail};
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use local::{Tools, project};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs::File,
    path::{Path as FilePath, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(10);

/// The function's answer to an event, or its error.
type Outcome = std::result::Result<String, String>;

struct RuntimeApi {
    /// The time limit of an invocation.
    limit: Duration,
    events: tokio::sync::Mutex<mpsc::Receiver<(String, String)>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
}

pub(crate) struct Function {
    api: Arc<RuntimeApi>,
    events: mpsc::Sender<(String, String)>,
    server: JoinHandle<()>,
    process: Child,
    log: PathBuf,
}

impl Function {
    /// Starts a function's binary with the settings of a stack.
    pub(crate) async fn start(shop: &Shop, name: &str) -> Result<Self> {
        Self::start_with(shop, name, &[]).await
    }

    /// Starts a function's binary with additional settings.
    pub(crate) async fn start_with(shop: &Shop, name: &str, settings: &[(String, String)]) -> Result<Self> {
        Self::start_program(shop, name, &[], settings, LIMIT).await
    }

    /// Starts a binary with these arguments as a function. An invocation may take as long as
    /// `limit`.
    pub(crate) async fn start_program(
        shop: &Shop,
        name: &str,
        arguments: &[&str],
        settings: &[(String, String)],
        limit: Duration,
    ) -> Result<Self> {
        let (events, receiver) = mpsc::channel(1);
        let api = Arc::new(RuntimeApi { limit, events: tokio::sync::Mutex::new(receiver), waiting: Mutex::default() });
        let log = shop.folder()?.join("logs").join(format!("{}.log", shop.unique(name)));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .with_state(api.clone());
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        // Both are the function's log in AWS.
        let output = File::options().create(true).append(true).open(&log)?;
        let process = Command::new(Tools::built(name)?)
            .args(arguments)
            .current_dir(project())
            .envs(shop.stack.env())
            .envs(settings.iter().map(|(key, value)| (key, value)))
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", name)
            .env("AWS_LAMBDA_LOG_STREAM_NAME", name)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { api, events, server, process, log })
    }

    pub(crate) fn log(&self) -> &FilePath {
        &self.log
    }

    /// Sends an event to the function. Returns its answer.
    pub(crate) async fn invoke(&mut self, event: &Value) -> Result<Value> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let id = format!("invocation-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        self.api.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), answer);
        self.events.send((id, event.to_string())).await?;
        let outcome = tokio::select! {
            outcome = timeout(self.api.limit, answered) => outcome.context("the function does not answer")??,
            ended = self.process.wait() => bail!("the function ended: {}", ended?),
        };
        Ok(serde_json::from_str(&outcome.map_err(|error| anyhow!("the function failed: {error}"))?)?)
    }

    /// Sends an HTTP request to the function. Returns status and body.
    pub(crate) async fn request(&mut self, method: &str, path: &str, body: Option<&str>) -> Result<(u64, Value)> {
        self.answer(&Self::event(method, path, body)).await
    }

    /// Sends the event of an HTTP request to the function. Returns status and body.
    pub(crate) async fn answer(&mut self, event: &Value) -> Result<(u64, Value)> {
        let answer = self.invoke(event).await?;
        let status = answer["statusCode"].as_u64().with_context(|| format!("no status in {answer}"))?;
        let body = answer["body"].as_str().unwrap_or_default();
        Ok((status, serde_json::from_str(body).unwrap_or_else(|_| body.into())))
    }

    /// An HTTP request as API Gateway passes it on (payload format 2.0).
    pub(crate) fn event(method: &str, path: &str, body: Option<&str>) -> Value {
        let (raw_path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": raw_path,
            "rawQueryString": query,
            "headers": { "host": "shop.example", "x-forwarded-proto": "https", "x-forwarded-port": "443" },
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "api",
                "domainName": "shop.example",
                "domainPrefix": "shop",
                "http": { "method": method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test" },
                "requestId": "request",
                "routeKey": "$default",
                "stage": "$default",
                "time": "21/Nov/2026:09:00:00 +0000",
                "timeEpoch": 1_795_251_600_000_u64
            },
            "isBase64Encoded": false
        });
        if let Some(body) = body {
            event["headers"]["content-type"] = "application/json".into();
            event["body"] = body.into();
        }
        event
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    let Some((id, event)) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", (now + api.limit).as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:test".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event).into_response()
}

async fn answered(State(api): State<Arc<RuntimeApi>>, Path(id): Path<String>, body: String) -> StatusCode {
    deliver_outcome(&api, &id, Ok(body))
}

async fn failed(State(api): State<Arc<RuntimeApi>>, Path(id): Path<String>, body: String) -> StatusCode {
    deliver_outcome(&api, &id, Err(body))
}

fn deliver_outcome(api: &RuntimeApi, id: &str, outcome: Outcome) -> StatusCode {
    match api.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(id) {
        Some(waiting) => {
            let _ = waiting.send(outcome);
            StatusCode::ACCEPTED
        }
        None => StatusCode::NOT_FOUND,
    }
}
