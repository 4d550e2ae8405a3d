//! `GET /api/health`: whether orders can be accepted and read, and whether they progress. `GET
//! /api/health/live`: whether this process answers.
//!
//! The state of Postgres, the projection and the outbox comes from the report that a worker writes
//! to the read model ([`platform::read_model::Operations`]). A dependency whose state is not known
//! is left out. Then the source of that state is itself reported as down.

use crate::{
    idempotency::Idempotency,
    intake::intake_queue::IntakeQueue,
    intake::queue_poller::Consumer,
    workflows::{self, Workflows},
};
use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use platform::{
    error::chain,
    read_model::{Operations, ReadModel},
    temporal::Backlog,
};
use serde::Serialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use time::OffsetDateTime;
use tokio::time::timeout;

/// The time limit for the answer of a dependency.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// A worker writes its report every 10 seconds. After this time without a report, no worker is
/// running.
const WORKER_TIMEOUT: time::Duration = time::Duration::seconds(30);
/// The same for a worker on demand. Its schedule starts it each minute to write its report.
const ON_DEMAND_TIMEOUT: time::Duration = time::Duration::seconds(180);
/// The maximum time for which a change may be missing in the read model, and for which an event may
/// wait to be published.
const MAX_PROJECTION_LAG: Duration = Duration::from_secs(30);
const MAX_OUTBOX_LAG: Duration = Duration::from_secs(300);
/// The maximum time for which a task may wait for a worker. After that, the workers are too slow
/// for the orders.
const MAX_TASK_WAIT: Duration = Duration::from_secs(30);
/// The same for a worker on demand. The task of a timer waits for the schedule.
const MAX_ON_DEMAND_TASK_WAIT: Duration = Duration::from_secs(120);

const PATH: &str = "/api/health";
const LIVE_PATH: &str = "/api/health/live";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
    Arc<IntakeQueue>: FromRef<S>,
    Arc<Idempotency>: FromRef<S>,
    Consumer: FromRef<S>,
{
    Router::new().route(PATH, get(health)).route(LIVE_PATH, get(live))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// Orders are accepted and read, but something is away, or they do not move.
    Degraded,
    /// Orders cannot be accepted, or cannot be read.
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
enum DependencyState {
    Up,
    Down,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Health {
    #[cfg_attr(test, schema(inline))]
    status: Status,
    dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[cfg_attr(test, schema(schema_with = dependency_name))]
    name: &'static str,
    #[cfg_attr(test, schema(inline))]
    state: DependencyState,
    latency_ms: u64,
}

#[cfg(test)]
fn dependency_name() -> utoipa::openapi::Schema {
    orders::schema::one_of(
        &["read-model", "temporal", "intake-queue", "idempotency", "workers", "postgres", "projection", "outbox", "queue-consumer"],
        "`idempotency`: the table of idempotency keys. `workers`: workers poll Temporal for tasks and report to the read model. \
        `postgres`: it answers and takes writes. `projection`: readers see changes within 30 s. `outbox`: events are published within \
        5 minutes. `queue-consumer`: this process starts the orders of the intake queue. A dependency whose state is not known is left out.",
    )
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Live {
    #[cfg_attr(test, schema(schema_with = always_ok))]
    status: Status,
}

#[cfg(test)]
fn always_ok() -> utoipa::openapi::Schema {
    orders::schema::one_of(&["ok"], "")
}

/// Whether the API answers at all
///
/// Checks nothing else.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = LIVE_PATH,
        operation_id = "live",
        tag = "operations",
        responses((
            status = 200,
            description = "The API answers.",
            body = Live,
            headers(("Cache-Control")),
            example = json!({ "status": "ok" })
        ))
    )
)]
async fn live() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(Live { status: Status::Ok }))
}

/// Whether orders can be accepted and read
///
/// Checks what the API depends on, and whether orders progress.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = PATH,
        operation_id = "health",
        tag = "operations",
        responses(
            (
                status = 200,
                description = "Orders are accepted and read. `degraded`: a part is away or does not work, such as the workers; orders may start or continue later.",
                body = Health,
                headers(("Cache-Control")),
                example = json!({
                    "status": "degraded",
                    "dependencies": [
                        { "name": "read-model", "state": "up", "latencyMs": 2 },
                        { "name": "temporal", "state": "down", "latencyMs": 1000 },
                        { "name": "intake-queue", "state": "up", "latencyMs": 3 }
                    ]
                })
            ),
            (
                status = 503,
                description = "Orders cannot be accepted, or cannot be read.",
                body = Health,
                headers(("Cache-Control")),
                example = json!({
                    "status": "down",
                    "dependencies": [
                        { "name": "read-model", "state": "down", "latencyMs": 2 },
                        { "name": "temporal", "state": "down", "latencyMs": 1000 },
                        { "name": "intake-queue", "state": "up", "latencyMs": 3 }
                    ]
                })
            )
        )
    )
)]
async fn health(
    State(read_model): State<Arc<ReadModel>>,
    State(workflows): State<Arc<Workflows>>,
    State(intake_queue): State<Arc<IntakeQueue>>,
    State(idempotency): State<Arc<Idempotency>>,
    State(consumer): State<Consumer>,
) -> impl IntoResponse {
    let (read_model_answers, temporal, intake_queue, idempotency, backlog, report) = tokio::join!(
        check("read-model", read_model.ping()),
        check("temporal", workflows.ping()),
        check("intake-queue", intake_queue.ping()),
        check("idempotency", idempotency.ping()),
        read_backlog(&workflows),
        read_report(&read_model),
    );
    let status = status(read_model_answers.state, temporal.state, intake_queue.state);
    let mut dependencies = vec![read_model_answers, temporal, intake_queue, idempotency];
    dependencies.extend(progress_dependencies(backlog, report, OffsetDateTime::now_utc(), workflows.is_worker_on_demand()));
    dependencies.extend(consumer.is_alive().map(|alive| Dependency::known("queue-consumer", alive, 0)));
    let status = if status == Status::Ok && dependencies.iter().any(|dependency| dependency.state == DependencyState::Down) {
        Status::Degraded
    } else {
        status
    };
    let code = if status == Status::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(Health { status, dependencies }))
}

fn status(read_model: DependencyState, temporal: DependencyState, intake_queue: DependencyState) -> Status {
    match (read_model, temporal, intake_queue) {
        (DependencyState::Up, DependencyState::Up, DependencyState::Up) => Status::Ok,
        (DependencyState::Down, ..) | (_, DependencyState::Down, DependencyState::Down) => Status::Down,
        _ => Status::Degraded,
    }
}

/// Whether orders progress. The sources are Temporal's backlog and the last report of a worker.
fn progress_dependencies(backlog: Option<Backlog>, report: WorkerReport, now: OffsetDateTime, on_demand: bool) -> Vec<Dependency> {
    let WorkerReport { operations, latency_ms } = report;
    let (timeout, max_wait) = if on_demand { (ON_DEMAND_TIMEOUT, MAX_ON_DEMAND_TASK_WAIT) } else { (WORKER_TIMEOUT, MAX_TASK_WAIT) };
    let is_recent = operations.as_ref().map(|(_, at)| now - *at < timeout);
    let mut parts = Vec::new();
    if backlog.is_some() || is_recent.is_some() {
        let works = backlog.is_none_or(|backlog| (backlog.is_polled || on_demand) && backlog.age <= max_wait) && is_recent.unwrap_or(true);
        parts.push(Dependency::known("workers", works, latency_ms));
    }
    // An old report does not show the present state.
    if let Some((operations, _)) = operations.filter(|_| is_recent == Some(true)) {
        let within = |seconds, limit: Duration| seconds <= limit.as_secs();
        parts.push(Dependency::known("postgres", operations.postgres_writable, latency_ms));
        if operations.postgres_writable {
            let (projection, outbox) = (operations.projection_lag_seconds, operations.outbox_lag_seconds);
            parts.push(Dependency::known("projection", within(projection, MAX_PROJECTION_LAG), latency_ms));
            parts.push(Dependency::known("outbox", within(outbox, MAX_OUTBOX_LAG), latency_ms));
        }
    }
    for part in parts.iter().filter(|part| part.state == DependencyState::Down) {
        tracing::warn!(dependency = part.name, "{} does not work", part.name);
    }
    parts
}

/// The tasks that wait for a worker. `None` if Temporal does not answer; the dependency `temporal`
/// then reports it.
async fn read_backlog(workflows: &Workflows) -> Option<Backlog> {
    let answer: Result<Result<Backlog, workflows::Error>, _> = timeout(CHECK_TIMEOUT, workflows.backlog()).await;
    answer.ok()?.ok()
}

/// The last report of a worker with the time at which it was written, and how long reading it took.
struct WorkerReport {
    operations: Option<(Operations, OffsetDateTime)>,
    latency_ms: u64,
}

async fn read_report(read_model: &ReadModel) -> WorkerReport {
    let started = Instant::now();
    let operations = timeout(CHECK_TIMEOUT, read_model.operations()).await.ok().and_then(Result::ok).flatten();
    WorkerReport { operations, latency_ms: millis(started) }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Dependency {
    fn known(name: &'static str, is_up: bool, latency_ms: u64) -> Self {
        Self { name, state: if is_up { DependencyState::Up } else { DependencyState::Down }, latency_ms }
    }
}

/// Calls a dependency. The log names the cause of a failure; the answer only says that there is
/// one.
async fn check<E: std::error::Error>(name: &'static str, ping: impl Future<Output = Result<(), E>>) -> Dependency {
    let started = Instant::now();
    let answer = timeout(CHECK_TIMEOUT, ping).await;
    let latency_ms = millis(started);
    let state = match answer {
        Ok(Ok(())) => DependencyState::Up,
        Ok(Err(error)) => {
            tracing::warn!(dependency = name, cause = chain(&error), "{name} is away");
            DependencyState::Down
        }
        Err(_) => {
            tracing::warn!(dependency = name, "{name} did not answer within {} s", CHECK_TIMEOUT.as_secs());
            DependencyState::Down
        }
    };
    Dependency { name, state, latency_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DependencyState::{Down, Up};

    #[test]
    fn down_means_that_orders_cannot_be_accepted_or_read() {
        assert_eq!(status(Up, Up, Up), Status::Ok);
        assert_eq!(status(Up, Down, Up), Status::Degraded);
        assert_eq!(status(Up, Up, Down), Status::Degraded);
        assert_eq!(status(Up, Down, Down), Status::Down);
        assert_eq!(status(Down, Up, Up), Status::Down);
    }

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-21 09:00 UTC);
    const WELL: Operations =
        Operations { postgres_writable: true, projection_lag_seconds: 0, outbox_lag_seconds: 0, failing_rows: 0, attention: Vec::new() };

    /// The names of the parts that are down, and the number of parts whose state is known.
    fn parts(polled: Option<bool>, report: Option<(Operations, i64)>) -> (Vec<&'static str>, usize) {
        let backlog = polled.map(|is_polled| Backlog { is_polled, ..Backlog::default() });
        let operations = report.map(|(operations, ago)| (operations, NOW - time::Duration::seconds(ago)));
        let parts = progress_dependencies(backlog, WorkerReport { operations, latency_ms: 1 }, NOW, false);
        (parts.iter().filter(|part| part.state == Down).map(|part| part.name).collect(), parts.len())
    }

    #[test]
    fn orders_progress_when_workers_poll_and_report() {
        assert_eq!(parts(Some(true), Some((WELL, 10))), (vec![], 4));
        assert_eq!(parts(Some(false), Some((WELL, 10))), (vec!["workers"], 4));
        assert_eq!(parts(Some(true), Some((WELL, 31))), (vec!["workers"], 1));
        // If Temporal is away, the report still shows that a worker is running. If no worker has
        // written a report yet, Temporal still shows whether a worker polls.
        assert_eq!(parts(None, Some((WELL, 10))), (vec![], 4));
        assert_eq!(parts(Some(true), None), (vec![], 1));
        assert_eq!(parts(None, None), (vec![], 0));
    }

    #[test]
    fn workers_that_do_not_keep_up_are_named() {
        let report = || WorkerReport { operations: Some((WELL, NOW)), latency_ms: 1 };
        for (waits, expected) in [(MAX_TASK_WAIT, Up), (MAX_TASK_WAIT + Duration::from_secs(1), Down)] {
            let parts = progress_dependencies(Some(Backlog { is_polled: true, age: waits, ..Backlog::default() }), report(), NOW, false);
            assert_eq!((parts[0].name, parts[0].state), ("workers", expected));
        }
    }

    #[test]
    fn a_worker_on_demand_need_not_poll_and_reports_each_minute() {
        for (ago, expected) in [(179, Up), (180, Down)] {
            let report = WorkerReport { operations: Some((WELL, NOW - time::Duration::seconds(ago))), latency_ms: 1 };
            let backlog = Backlog { age: MAX_ON_DEMAND_TASK_WAIT, ..Backlog::default() };
            let parts = progress_dependencies(Some(backlog), report, NOW, true);
            assert_eq!((parts[0].name, parts[0].state), ("workers", expected), "{ago}");
        }
    }

    #[test]
    fn what_a_worker_finds_wrong_is_named() {
        let down = |operations| parts(Some(true), Some((operations, 1))).0;
        assert_eq!(down(Operations { postgres_writable: false, ..WELL }), ["postgres"]);
        assert_eq!(down(Operations { projection_lag_seconds: 31, ..WELL }), ["projection"]);
        assert_eq!(down(Operations { outbox_lag_seconds: 301, ..WELL }), ["outbox"]);
        assert_eq!(down(Operations { failing_rows: 7, ..WELL }), [""; 0], "a row that fails concerns that row alone");
    }
}
