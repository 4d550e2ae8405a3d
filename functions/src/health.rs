//! `GET /api/health`: whether orders can be accepted and read; `GET /api/health/live`: whether this process answers.

use crate::{intake_queue::IntakeQueue, workflows::Workflows};
use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use platform::read_model::ReadModel;
use serde::Serialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// How long a dependency may take to give a sign of life.
const LIMIT: Duration = Duration::from_secs(1);

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
    Arc<IntakeQueue>: FromRef<S>,
{
    Router::new().route("/api/health", get(health)).route("/api/health/live", get(live))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// Orders are accepted and read, but something is away.
    Degraded,
    /// Orders cannot be accepted, or cannot be read.
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Presence {
    Up,
    Down,
}

#[derive(Serialize)]
struct Health {
    status: Status,
    dependencies: [Dependency; 3],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    name: &'static str,
    state: Presence,
    latency_ms: u64,
}

async fn live() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(serde_json::json!({ "status": Status::Ok })))
}

async fn health(
    State(read_model): State<Arc<ReadModel>>,
    State(workflows): State<Arc<Workflows>>,
    State(intake_queue): State<Arc<IntakeQueue>>,
) -> impl IntoResponse {
    let (read_model, temporal, intake_queue) = tokio::join!(
        check("read-model", read_model.ping()),
        check("temporal", workflows.ping()),
        check("intake-queue", intake_queue.ping()),
    );
    let status = status(read_model.state, temporal.state, intake_queue.state);
    let code = if status == Status::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let health = Health { status, dependencies: [read_model, temporal, intake_queue] };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(health))
}

fn status(read_model: Presence, temporal: Presence, intake_queue: Presence) -> Status {
    match (read_model, temporal, intake_queue) {
        (Presence::Up, Presence::Up, Presence::Up) => Status::Ok,
        (Presence::Down, ..) | (_, Presence::Down, Presence::Down) => Status::Down,
        _ => Status::Degraded,
    }
}

/// What is wrong is for the log; the answer says only that something is.
async fn check<E: std::error::Error>(name: &'static str, ping: impl Future<Output = Result<(), E>>) -> Dependency {
    let started = Instant::now();
    let answer = timeout(LIMIT, ping).await;
    let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let state = match answer {
        Ok(Ok(())) => Presence::Up,
        Ok(Err(error)) => {
            tracing::warn!(dependency = name, cause = %error, "{name} is away");
            Presence::Down
        }
        Err(_) => {
            tracing::warn!(dependency = name, "{name} did not answer within {} s", LIMIT.as_secs());
            Presence::Down
        }
    };
    Dependency { name, state, latency_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Presence::{Down, Up};

    #[test]
    fn down_means_that_orders_cannot_be_accepted_or_read() {
        assert_eq!(status(Up, Up, Up), Status::Ok);
        assert_eq!(status(Up, Down, Up), Status::Degraded);
        assert_eq!(status(Up, Up, Down), Status::Degraded);
        assert_eq!(status(Up, Down, Down), Status::Down);
        assert_eq!(status(Down, Up, Up), Status::Down);
    }
}
