//! `GET /api/operations`: how much waits where, and what needs attention. For the shop's own people. A part that does not tell in time is left open, and the rest still comes.

use crate::{
    http::Problem,
    identity::{Caller, Identity},
    queues::{Depth, Queues},
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
    read_model::{AttentionGroup, ReadModel},
    temporal::Backlog,
};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use time::OffsetDateTime;
use tokio::time::timeout;

/// How long a part may take to tell; a page waits for it.
const LIMIT: Duration = Duration::from_millis(500);

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Queues>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route("/api/operations", get(get_operations))
}

#[derive(Serialize)]
struct Overview {
    queues: Vec<Depth>,
    workflows: Option<Tasks>,
    attention: Option<Attention>,
}

/// What staff should look at, as a worker found it.
#[derive(Serialize)]
struct Attention {
    #[serde(with = "orders::rfc3339")]
    at: OffsetDateTime,
    groups: Vec<AttentionGroup>,
}

/// The task queue of the workflows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tasks {
    /// Tasks that wait for a worker.
    backlog: u64,
    /// How long the oldest of them has been waiting.
    oldest_seconds: u64,
    /// Whether a worker asks for tasks.
    polled: bool,
}

async fn get_operations(
    caller: Caller,
    State(queues): State<Arc<Queues>>,
    State(read_model): State<Arc<ReadModel>>,
    State(workflows): State<Arc<Workflows>>,
) -> Result<impl IntoResponse, Problem> {
    caller.must_be_staff()?;
    let (queues, workflows, attention) = tokio::join!(queues.depths(), tasks(&workflows), attention(&read_model));
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Overview { queues, workflows, attention })))
}

async fn tasks(workflows: &Workflows) -> Option<Tasks> {
    let cause = match timeout(LIMIT, workflows.backlog()).await {
        Ok(Ok(Backlog { tasks, age, is_polled })) => {
            return Some(Tasks { backlog: tasks, oldest_seconds: age.as_secs(), polled: is_polled });
        }
        Ok(Err(error)) => error.chain(),
        Err(_) => format!("no answer within {} ms", LIMIT.as_millis()),
    };
    tracing::warn!(cause, "the backlog is not known: {cause}");
    None
}

async fn attention(read_model: &ReadModel) -> Option<Attention> {
    let cause = match timeout(LIMIT, read_model.operations()).await {
        Ok(Ok(found)) => return found.map(|(operations, at)| Attention { at, groups: operations.attention }),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} ms", LIMIT.as_millis()),
    };
    tracing::warn!(cause, "what needs attention is not known: {cause}");
    None
}
