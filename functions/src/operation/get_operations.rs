//! `GET /api/operations`: the depths of the queues, and what needs attention. Only for staff. If a
//! part does not answer in time, it is null, and the other parts are still returned.

use crate::{
    http::Problem,
    identity::{Caller, Identity},
    operation::queues::{Depth, Queues},
    workflows::Workflows,
};
use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::header,
    response::IntoResponse,
    routing::get,
};
use platform::{
    error::chain,
    read_model::{AttentionGroup, ReadModel},
    temporal::Backlog,
};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use time::OffsetDateTime;
use tokio::time::timeout;

/// The time limit for each part. A page waits for the answer.
const PART_TIMEOUT: Duration = Duration::from_millis(500);

const PATH: &str = "/api/operations";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Queues>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route(PATH, get(get_operations))
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Operations))]
struct Overview {
    queues: Vec<Depth>,
    /// Null when Temporal does not answer in time.
    #[cfg_attr(test, schema(required))]
    workflows: Option<Tasks>,
    /// Null when the read model does not answer in time, and before a worker has looked.
    attention: Option<Attention>,
}

/// What staff should look at, as a worker found it.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Attention {
    /// When the worker looked; an old time means that no worker runs.
    #[cfg_attr(test, schema(value_type = orders::schema::Time))]
    #[serde(with = "orders::rfc3339")]
    at: OffsetDateTime,
    /// Empty when there is nothing to look at.
    groups: Vec<AttentionGroup>,
}

/// The task queue of the workflows.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = TaskQueue))]
#[serde(rename_all = "camelCase")]
struct Tasks {
    /// Tasks that wait for a worker.
    backlog: u64,
    /// How long the oldest of them has been waiting.
    oldest_seconds: u64,
    /// Whether a worker asks for tasks.
    polled: bool,
}

/// See queue depths and what needs attention
///
/// For the shop's staff. A part that does not answer in time is null, and the rest still comes.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = PATH,
        operation_id = "getOperations",
        tag = "operations",
        security(("token" = [])),
        responses(
            (
                status = 200,
                description = "Queues, tasks, and what needs attention.",
                body = Overview,
                headers(("Cache-Control")),
                example = json!({
                    "queues": [
                        { "name": "intake", "waiting": 3, "inFlight": 1, "dead": 0 },
                        { "name": "notice-feedback", "waiting": 0, "inFlight": 0, "dead": null }
                    ],
                    "workflows": { "backlog": 12, "oldestSeconds": 2, "polled": true },
                    "attention": {
                        "at": "2026-11-21T09:00:00.000Z",
                        "groups": [{
                            "kind": "STUCK_ORDERS",
                            "count": 1,
                            "items": [{ "id": "ord_01930000000070008000000000000001", "detail": "PAID", "since": "2026-11-21T08:00:00.000Z" }]
                        }]
                    }
                })
            ),
            crate::openapi::Unauthenticated,
            crate::openapi::StaffOnly,
            crate::openapi::Unavailable
        )
    )
)]
async fn get_operations(
    caller: Caller,
    State(queues): State<Arc<Queues>>,
    State(read_model): State<Arc<ReadModel>>,
    State(workflows): State<Arc<Workflows>>,
) -> Result<impl IntoResponse, Problem> {
    caller.ensure_is_staff()?;
    let (queues, workflows, attention) = tokio::join!(queues.depths(), read_tasks(&workflows), read_attention(&read_model));
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Overview { queues, workflows, attention })))
}

async fn read_tasks(workflows: &Workflows) -> Option<Tasks> {
    let cause = match timeout(PART_TIMEOUT, workflows.backlog()).await {
        Ok(Ok(Backlog { tasks, age, is_polled })) => {
            return Some(Tasks { backlog: tasks, oldest_seconds: age.as_secs(), polled: is_polled });
        }
        Ok(Err(error)) => chain(&error),
        Err(_) => format!("no answer within {} ms", PART_TIMEOUT.as_millis()),
    };
    tracing::warn!(cause, "the backlog is not known: {cause}");
    None
}

async fn read_attention(read_model: &ReadModel) -> Option<Attention> {
    let cause = match timeout(PART_TIMEOUT, read_model.operations()).await {
        Ok(Ok(found)) => return found.map(|(operations, at)| Attention { at, groups: operations.attention }),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} ms", PART_TIMEOUT.as_millis()),
    };
    tracing::warn!(cause, "the items that need attention are not known: {cause}");
    None
}
