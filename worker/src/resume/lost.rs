//! Which orders have no running workflow.

use crate::{
    db,
    sql::{Id, resume as sql},
};
use deadpool_postgres::Pool;
use futures::TryStreamExt;
use orders::{OrderId, workflow::OrderWorkflowType};
use platform::read_model::ReadModel;
use std::{collections::BTreeSet, time::Duration};
use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowListOptions, errors::WorkflowInteractionError, tonic,
};
use time::OffsetDateTime;

/// Workflows that one question to Temporal names.
const NAMED: usize = 100;
/// Orders read from Postgres at once.
const BATCH: i64 = 1_000;

/// Those of these orders that have not ended and have no running workflow.
///
/// # Errors
/// When Postgres or Temporal does not answer.
pub(super) async fn among(pool: &Pool, temporal: &Client, ids: &[OrderId]) -> anyhow::Result<Vec<OrderId>> {
    let mut lost = Vec::new();
    for some in ids.chunks(NAMED) {
        let names: Vec<String> = some.iter().map(|id| format!("'{id}'")).collect();
        let query = format!("ExecutionStatus = 'Running' AND WorkflowId IN ({})", names.join(", "));
        let running = temporal.list_workflows(query, WorkflowListOptions::default());
        let running: BTreeSet<String> = running.map_ok(|workflow| workflow.id().to_owned()).try_collect().await?;
        // The list may be late.
        for id in some.iter().filter(|id| !running.contains(&id.to_string())) {
            if is_lost(temporal, *id).await? {
                lost.push(*id);
            }
        }
    }
    // The workflow's last transaction comes before its end, so a workflow that ended leaves no order open; but the order may have ended since it was
    // read.
    let names: Vec<String> = lost.iter().map(ToString::to_string).collect();
    Ok(order_ids(&sql::still_open(&db::connection(pool).await?, &names).await?))
}

/// The ids of orders. One that is no order's id has no workflow to start.
pub(super) fn order_ids(ids: &[Id]) -> Vec<OrderId> {
    ids.iter().filter_map(|row| row.id.parse().ok()).collect()
}

/// All orders that have not ended and have no running workflow; also those that the read model alone has, accepted longer than this ago. Of the latter,
/// those that were left to the intake queue count only if that `has_lost` them: else they still come from there, with their payment method.
///
/// # Errors
/// When Postgres, the read model or Temporal does not answer.
pub(crate) async fn all_lost(
    pool: &Pool,
    temporal: &Client,
    read_model: &ReadModel,
    accepted_before: Duration,
    has_lost: bool,
) -> anyhow::Result<Vec<OrderId>> {
    let (mut lost, mut last) = (Vec::new(), String::new());
    loop {
        let open = sql::open_order_ids(&db::connection(pool).await?, &last, BATCH).await?;
        let Some(row) = open.last() else { break };
        last.clone_from(&row.id);
        lost.extend(among(pool, temporal, &order_ids(&open)).await?);
    }
    let before = OffsetDateTime::now_utc() - accepted_before;
    for order in read_model.all_orders().await?.into_iter().flatten() {
        let may_be_lost = order.version == 0 && (has_lost || !orders::view::is_queued(&order.json));
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

/// Whether no workflow of an order is running. One that Temporal cannot speak of keeps nobody from looking for the others.
async fn is_lost(temporal: &Client, id: OrderId) -> anyhow::Result<bool> {
    match workflow_state(temporal, &id.to_string()).await {
        Ok(state) => Ok(state != "running"),
        Err(error) if is_of_workflow(&error) => {
            tracing::warn!(order_id = %id, %error, "{id}: its workflow cannot be described");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether Temporal is there, and refuses to speak of this workflow alone.
pub(crate) fn is_of_workflow(error: &WorkflowInteractionError) -> bool {
    use tonic::Code::{DataLoss, FailedPrecondition, Internal, InvalidArgument, OutOfRange};
    matches!(error, WorkflowInteractionError::Rpc(status)
        if [DataLoss, FailedPrecondition, Internal, InvalidArgument, OutOfRange].contains(&status.code()))
}

/// Whether an order's workflow is running, closed, or unknown to Temporal.
///
/// # Errors
/// When Temporal does not answer.
pub(crate) async fn workflow_state(temporal: &Client, id: &str) -> Result<&'static str, WorkflowInteractionError> {
    let handle = temporal.get_workflow_handle::<OrderWorkflowType>(id);
    match handle.describe(WorkflowDescribeOptions::default()).await {
        Ok(description) if description.status() == WorkflowExecutionStatus::Running => Ok("running"),
        Ok(_) => Ok("closed"),
        Err(WorkflowInteractionError::NotFound(_)) => Ok("unknown to Temporal"),
        Err(error) => Err(error),
    }
}
