//! Finds orders that have no running workflow.

use crate::{
    db,
    sql::{Id, resume as sql},
};
use deadpool_postgres::Pool;
use futures::TryStreamExt;
use orders::{OrderId, workflow::OrderWorkflowType};
use platform::{error::chain, read_model::ReadModel};
use std::{collections::BTreeSet, time::Duration};
use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowListOptions, errors::WorkflowInteractionError, tonic,
};
use time::OffsetDateTime;

/// The maximum number of workflow ids in one query to Temporal.
const IDS_PER_QUERY: usize = 100;
/// How many orders are read from Postgres at once.
const BATCH: i64 = 1_000;

/// Returns the given orders that have not ended and have no running workflow.
///
/// # Errors
/// Fails if Postgres or Temporal does not answer.
pub(super) async fn find_lost(pool: &Pool, temporal: &Client, ids: &[OrderId]) -> anyhow::Result<Vec<OrderId>> {
    let mut lost = Vec::new();
    for batch in ids.chunks(IDS_PER_QUERY) {
        let names: Vec<String> = batch.iter().map(|id| format!("'{id}'")).collect();
        let query = format!("ExecutionStatus = 'Running' AND WorkflowId IN ({})", names.join(", "));
        let running = temporal.list_workflows(query, WorkflowListOptions::default());
        let running: BTreeSet<String> = running.map_ok(|workflow| workflow.id().to_owned()).try_collect().await?;
        // Temporal's list may be out of date, so each missing workflow is asked for its state.
        for id in batch.iter().filter(|id| !running.contains(&id.to_string())) {
            if is_lost(temporal, *id).await? {
                lost.push(*id);
            }
        }
    }
    // A workflow ends only after its last transaction has ended the order. So a workflow that has
    // ended never leaves its order open. But the order may have ended after it was read, so its
    // status is read again.
    let names: Vec<String> = lost.iter().map(ToString::to_string).collect();
    Ok(parse_order_ids(&sql::still_open(&db::connection(pool).await?, &names).await?))
}

/// Parses ids of orders. A text that is not an order's id is left out, because no workflow can be
/// started for it.
pub(super) fn parse_order_ids(ids: &[Id]) -> Vec<OrderId> {
    ids.iter().filter_map(|row| row.id.parse().ok()).collect()
}

/// Returns all orders that have not ended and have no running workflow. It includes orders that
/// only the read model has, if they were accepted more than `accepted_before` ago.
///
/// Such an order may be in the intake queue. It is then included only if `queue_is_lost` is true,
/// that is, if the queue's messages are lost. Otherwise the order will still arrive from the queue,
/// together with its payment method, which the read model does not have.
///
/// # Errors
/// Fails if Postgres, the read model or Temporal does not answer.
pub(crate) async fn find_all_lost(
    pool: &Pool,
    temporal: &Client,
    read_model: &ReadModel,
    accepted_before: Duration,
    queue_is_lost: bool,
) -> anyhow::Result<Vec<OrderId>> {
    let (mut lost, mut last) = (Vec::new(), String::new());
    loop {
        let open = sql::open_order_ids(&db::connection(pool).await?, &last, BATCH).await?;
        let Some(row) = open.last() else { break };
        last.clone_from(&row.id);
        lost.extend(find_lost(pool, temporal, &parse_order_ids(&open)).await?);
    }
    let before = OffsetDateTime::now_utc() - accepted_before;
    for order in read_model.all_orders().await?.into_iter().flatten() {
        let may_be_lost = order.version == 0 && (queue_is_lost || !orders::view::is_queued(&order.json));
        let is_accepted = may_be_lost && orders::view::accepted_order(&order.json).is_ok_and(|order| order.accepted_at < before);
        if is_accepted && !is_on_record(pool, order.id).await? && is_lost(temporal, order.id).await? {
            lost.push(order.id);
        }
    }
    Ok(lost)
}

async fn is_on_record(pool: &Pool, id: OrderId) -> anyhow::Result<bool> {
    Ok(sql::is_on_record(&db::connection(pool).await?, &id.to_string()).await?.is_on_record)
}

/// Whether the order has no running workflow. If Temporal cannot describe this workflow, the answer
/// is no, so that the search for the others goes on.
async fn is_lost(temporal: &Client, id: OrderId) -> anyhow::Result<bool> {
    match workflow_state(temporal, &id.to_string()).await {
        Ok(state) => Ok(state != "running"),
        Err(error) if is_workflow_error(&error) => {
            tracing::warn!(order_id = %id, error = chain(&error), "{id}: its workflow cannot be described");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether an error concerns only this workflow: Temporal answers, but cannot describe the
/// workflow.
pub(crate) fn is_workflow_error(error: &WorkflowInteractionError) -> bool {
    use tonic::Code::{DataLoss, FailedPrecondition, Internal, InvalidArgument, OutOfRange};
    matches!(error, WorkflowInteractionError::Rpc(status)
        if [DataLoss, FailedPrecondition, Internal, InvalidArgument, OutOfRange].contains(&status.code()))
}

/// The state of an order's workflow: `running`, `closed`, or `unknown to Temporal`.
///
/// # Errors
/// Fails if Temporal does not answer, or cannot describe the workflow ([`is_workflow_error`]).
pub(crate) async fn workflow_state(temporal: &Client, id: &str) -> Result<&'static str, WorkflowInteractionError> {
    let handle = temporal.get_workflow_handle::<OrderWorkflowType>(id);
    match handle.describe(WorkflowDescribeOptions::default()).await {
        Ok(description) if description.status() == WorkflowExecutionStatus::Running => Ok("running"),
        Ok(_) => Ok("closed"),
        Err(WorkflowInteractionError::NotFound(_)) => Ok("unknown to Temporal"),
        Err(error) => Err(error),
    }
}
