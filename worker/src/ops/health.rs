//! The worker's HTTP port: liveness, readiness and metrics.

use crate::{migrate, ops::metrics::Metrics, ops::system::System};
use anyhow::Context;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use platform::{error::chain, http, temporal};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use temporalio_client::Client;
use tokio::{net::TcpListener, sync::watch};

/// The time limit for Postgres and Temporal to answer a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The largest text of all metrics, in bytes.
const MAX_METRICS_BYTES: usize = 16 * 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Health {
    system: System,
    metrics: Metrics,
    /// The address on which the SDK serves all metrics. It is on loopback; `/metrics` forwards
    /// them.
    exporter: SocketAddr,
    http: Arc<http::Client>,
}

impl Health {
    pub(crate) fn new(system: System, metrics: Metrics, exporter: SocketAddr) -> Self {
        let http = http::Client::new(PROBE_TIMEOUT, PROBE_TIMEOUT, MAX_METRICS_BYTES);
        Self { system, metrics, exporter, http: Arc::new(http) }
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
        .route("/metrics", get(metrics))
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

async fn metrics(State(health): State<Health>) -> Response {
    tokio::join!(
        observe_in_time("Postgres", health.metrics.observe_postgres(&health.system)),
        observe_in_time("Temporal", health.metrics.observe_temporal(&health.system)),
    );
    match health.http.get(&format!("http://{}/metrics", health.exporter)).await {
        Ok(answer) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], answer.body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, chain(&error)).into_response(),
    }
}

/// Runs an observation within the time limit. If it fails, its metrics keep their last values, and
/// all metrics are still served.
async fn observe_in_time(source: &str, observation: impl Future<Output = anyhow::Result<()>>) {
    if let Ok(Err(error)) = tokio::time::timeout(PROBE_TIMEOUT, observation).await {
        tracing::warn!(error = format!("{error:#}"), "cannot read metrics from {source}");
    }
}
