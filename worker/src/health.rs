//! The worker's own port: liveness, readiness and metrics.

use crate::{metrics::Metrics, migrate};
use anyhow::Context;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use deadpool_postgres::Pool;
use serde_json::json;
use std::{net::SocketAddr, time::Duration};
use temporalio_client::{Client, tonic};
use tokio::{net::TcpListener, sync::watch};

/// How long a probe waits for Postgres.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) pool: Pool,
    /// The connection on which the worker takes tasks, while it does.
    pub(crate) temporal: watch::Receiver<Option<Client>>,
    pub(crate) metrics: Metrics,
    /// Where the SDK serves the metrics; on loopback, for us to hand on.
    pub(crate) exporter: SocketAddr,
    pub(crate) http: reqwest::Client,
}

/// Takes the port.
///
/// # Errors
/// When it is in use.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on: set WORKER_HOST and WORKER_PORT"))
}

pub(crate) async fn serve(listener: TcpListener, health: Health) {
    let routes = Router::new()
        .route("/health/live", get(|| async { StatusCode::OK }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "health and metrics are not served any more");
    }
}

async fn ready(State(health): State<Health>) -> Response {
    let schema = tokio::time::timeout(PROBE_LIMIT, migrate::is_up_to_date(&health.pool)).await;
    let postgres = matches!(schema, Ok(Ok(_)));
    let schema = matches!(schema, Ok(Ok(true)));
    let temporal = matches!(tokio::time::timeout(PROBE_LIMIT, answers(&health.temporal)).await, Ok(true));
    let status = if schema && temporal { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let state = |up| if up { "up" } else { "down" };
    (
        status,
        Json(json!({ "postgres": state(postgres), "schema": if schema { "up to date" } else { "behind" }, "temporal": state(temporal) })),
    )
        .into_response()
}

/// Whether the worker takes tasks and Temporal answers.
async fn answers(temporal: &watch::Receiver<Option<Client>>) -> bool {
    let Some(client) = temporal.borrow().clone() else { return false };
    client.connection().workflow_service().get_system_info(tonic::Request::new(Default::default())).await.is_ok()
}

async fn metrics(State(health): State<Health>) -> Response {
    // What Postgres cannot tell now keeps its last value; the SDK's metrics are served all the same.
    if let Ok(Err(error)) = tokio::time::timeout(PROBE_LIMIT, health.metrics.observe(&health.pool)).await {
        tracing::warn!(error = format!("{error:#}"), "metrics of what stands in Postgres cannot be read");
    }
    let scrape = async { health.http.get(format!("http://{}/metrics", health.exporter)).send().await?.text().await };
    match scrape.await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
