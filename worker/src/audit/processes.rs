//! The invariants between orders and workflows. Every open order has a running workflow, and the
//! order of every running workflow is open. No workflow of any type runs for too long or has
//! failed.

use super::{BrokenInvariant, SETTLE_TIME};
use crate::{
    config,
    db::{self, millis},
    ops::resume::{is_workflow_error, workflow_state},
    ops::system::{OpenOrder, open_orders},
    sql::audit as sql,
};
use deadpool_postgres::Pool;
use futures::{StreamExt, TryStreamExt};
use orders::{OrderStatus, activities::NO_SUCH_ORDER, workflow::ReconcileWorkflowType};
use std::{pin::pin, time::Duration};
use temporalio_client::{Client, WorkflowExecutionStatus, WorkflowGetResultOptions, WorkflowListOptions};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub(super) const NO_STUCK_ORDERS: &str = "no order is stuck";
/// How many workflows are compared with their orders at once.
const BATCH: usize = 500;

/// Finds stuck orders, open orders without a running workflow, and workflows that ran for too long
/// or failed.
///
/// # Errors
/// Fails if Postgres or Temporal does not answer.
pub(super) async fn check(pool: &Pool, temporal: &Client, limits: &config::StuckLimits) -> anyhow::Result<Vec<BrokenInvariant>> {
    let mut broken = Vec::new();
    // Orders that were accepted just now may not have a workflow yet.
    for order in open_orders(pool, SETTLE_TIME, limits).await? {
        if order.is_stuck {
            let compensating =
                order.compensating_for.map_or_else(String::new, |time| format!(", in compensation for {} s", time.as_secs()));
            broken.push(stuck_order(&order, format!("{} for {} s{compensating}", order.status, order.open_for.as_secs())));
        }
        // A workflow ends only after its last transaction has ended the order. So a workflow that
        // has ended never leaves its order open. But the order may have ended after it was read
        // above, so its status is read again.
        let workflow = match workflow_state(temporal, &order.id).await {
            Ok(workflow) => workflow,
            Err(error) if is_workflow_error(&error) => {
                broken.push(stuck_order(&order, format!("{}, and its workflow cannot be described: {error}", order.status)));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if workflow != "running" && still_open(pool, &order.id).await? {
            broken.push(stuck_order(&order, format!("{}, but its workflow is {workflow}", order.status)));
        }
    }
    broken.extend(overdue_order_workflows(pool, temporal, limits.stuck_after).await?);
    broken.extend(other_workflows(temporal, limits.stuck_after).await?);
    Ok(broken)
}

/// Finds order workflows that have run for longer than `stuck_after`, although their order is not
/// in Postgres or ended at least `stuck_after` ago.
async fn overdue_order_workflows(pool: &Pool, temporal: &Client, stuck_after: Duration) -> anyhow::Result<Vec<BrokenInvariant>> {
    let before = (OffsetDateTime::now_utc() - stuck_after).format(&Rfc3339)?;
    let query = format!("WorkflowType = 'OrderWorkflow' AND ExecutionStatus = 'Running' AND StartTime < '{before}'");
    let running = temporal.list_workflows(query, WorkflowListOptions::default());
    let mut batches = pin!(running.map_ok(|workflow| workflow.id().to_owned()).try_chunks(BATCH));
    let mut broken = Vec::new();
    while let Some(ids) = batches.next().await {
        let ids = ids.map_err(|error| error.1)?;
        let overdue = sql::overdue_order_workflows(&db::connection(pool).await?, &ids, &OrderStatus::open(), millis(stuck_after)).await?;
        for sql::OverdueWorkflow { id, status } in overdue {
            // Temporal's list may be out of date, so each workflow is asked for its state.
            let workflow = match workflow_state(temporal, &id).await {
                Err(error) if !is_workflow_error(&error) => return Err(error.into()),
                workflow => workflow,
            };
            if workflow.is_ok_and(|workflow| workflow == "running") {
                let detail = format!("{status}, but its workflow has been running for more than {} s", stuck_after.as_secs());
                broken.push(BrokenInvariant { invariant: NO_STUCK_ORDERS, subject: id, detail });
            }
        }
    }
    Ok(broken)
}

/// Finds workflows of all types except `OrderWorkflow` that have run for longer than `stuck_after`,
/// or did not end successfully. These are refunds, restocks, events of the payment gateway, and any
/// type that a newer release adds.
async fn other_workflows(temporal: &Client, stuck_after: Duration) -> anyhow::Result<Vec<BrokenInvariant>> {
    let before = (OffsetDateTime::now_utc() - stuck_after).format(&Rfc3339)?;
    let query = format!(
        "WorkflowType != 'OrderWorkflow' AND ((ExecutionStatus = 'Running' AND StartTime < '{before}')
        OR ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated', 'Canceled'))"
    );
    let mut workflows = pin!(temporal.list_workflows(query, WorkflowListOptions::default()));
    let mut broken = Vec::new();
    while let Some(workflow) = workflows.next().await {
        let workflow = workflow?;
        let (id, kind) = (workflow.id().to_owned(), workflow.workflow_type().to_owned());
        let detail = match workflow.status() {
            WorkflowExecutionStatus::Running => format!("{kind} has been running for more than {} s", stuck_after.as_secs()),
            WorkflowExecutionStatus::Failed if is_unknown_order(temporal, &id).await => continue,
            WorkflowExecutionStatus::Failed => format!("{kind} has failed"),
            _ => format!("{kind} was terminated, was cancelled or timed out"),
        };
        broken.push(BrokenInvariant { invariant: "every workflow ends successfully", subject: id, detail });
    }
    Ok(broken)
}

/// Whether a workflow failed because its order does not exist. Another system may share the payment
/// gateway's account, so its events reach OrderFlow, too.
async fn is_unknown_order(temporal: &Client, id: &str) -> bool {
    let handle = temporal.get_workflow_handle::<ReconcileWorkflowType>(id);
    let result = handle.get_result(WorkflowGetResultOptions::default()).await;
    result.is_err_and(|error| format!("{error:?}").contains(NO_SUCH_ORDER))
}

fn stuck_order(order: &OpenOrder, detail: String) -> BrokenInvariant {
    BrokenInvariant { invariant: NO_STUCK_ORDERS, subject: order.id.clone(), detail }
}

async fn still_open(pool: &Pool, id: &str) -> anyhow::Result<bool> {
    let client = db::connection(pool).await?;
    Ok(sql::is_open(&client, id, &OrderStatus::open()).await?.is_some_and(|order| order.is_open))
}
