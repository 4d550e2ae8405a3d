//! The worker's HTTP port: liveness, readiness and metrics.

use crate::{migrate, ops::metrics, ops::system::System};
use anyhow::Context;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use platform::{error::chain, http, metrics::CONTENT_TYPE, temporal};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use temporalio_client::Client;
use tokio::{net::TcpListener, sync::watch};

/// The time limit for Postgres and Temporal to answer a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The largest text of the SDK's metrics, in bytes.
const MAX_METRICS_BYTES: usize = 16 * 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Health {
    system: System,
    /// WORKER_VERSION.
    release: Option<String>,
    /// The address on which the SDK serves its own metrics. It is on loopback; `/metrics` appends
    /// them to those of OrderFlow.
    exporter: SocketAddr,
    http: Arc<http::Client>,
}

impl Health {
    pub(crate) fn new(system: System, release: Option<String>, exporter: SocketAddr) -> Self {
        let http = http::Client::new(PROBE_TIMEOUT, PROBE_TIMEOUT, MAX_METRICS_BYTES);
        Self { system, release, exporter, http: Arc::new(http) }
    }
}

/// Opens the port.
///
/// # Errors
/// Fails if the port cannot be opened, for example because it is in use.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}: set WORKER_HOST and WORKER_PORT"))
}

pub(crate) async fn serve(listener: TcpListener, health: Health) {
    let routes = Router::new()
        .route("/health/live", get(|| async { StatusCode::OK }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(serve_metrics))
        .with_state(health);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(error = chain(&error), "health and metrics are not served any more");
    }
}

async fn ready(State(health): State<Health>) -> Response {
    let (schema, writable) = tokio::join!(
        tokio::time::timeout(PROBE_TIMEOUT, migrate::is_up_to_date(&health.system.pool)),
        tokio::time::timeout(PROBE_TIMEOUT, health.system.is_writable()),
    );
    let writable = matches!(writable, Ok(Ok(true)));
    // `None` if Postgres does not answer.
    let schema = schema.ok().and_then(Result::ok);
    let temporal = matches!(tokio::time::timeout(PROBE_TIMEOUT, temporal_answers(&health.system.temporal)).await, Ok(true));
    let status = if schema == Some(true) && writable && temporal { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let postgres = match (schema, writable) {
        (Some(_), true) => "up",
        (Some(_), false) => "read-only",
        (None, _) => "down",
    };
    let schema = match schema {
        Some(true) => "up to date",
        Some(false) => "behind",
        None => "unknown",
    };
    let temporal = if temporal { "up" } else { "down" };
    (status, Json(json!({ "postgres": postgres, "schema": schema, "temporal": temporal }))).into_response()
}

/// Whether the worker receives tasks and Temporal answers.
async fn temporal_answers(client: &watch::Receiver<Option<Client>>) -> bool {
    let Some(client) = client.borrow().clone() else { return false };
    temporal::ping(&client).await.is_ok()
}

async fn serve_metrics(State(health): State<Health>) -> Response {
    let url = format!("http://{}/metrics", health.exporter);
    let (readings, of_sdk) = tokio::join!(metrics::read(&health.system, health.release.as_deref()), health.http.get(&url));
    let of_sdk = of_sdk.map(|answer| String::from_utf8_lossy(&answer.body).into_owned()).unwrap_or_else(|error| {
        tracing::warn!(error = chain(&error), "the SDK's metrics cannot be read");
        String::new()
    });
    match platform::metrics::encode(&readings, &of_sdk) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
