//! The invariants between orders and workflows: every open order has a workflow that works on it, and none stays open for ever.

use super::{Finding, SETTLE};
use crate::{
    db,
    system::{OpenOrder, open_orders},
};
use deadpool_postgres::Pool;
use orders::{OrderStatus, workflow::OrderWorkflowType};
use std::time::Duration;
use temporalio_client::{Client, WorkflowDescribeOptions, WorkflowExecutionStatus, errors::WorkflowInteractionError};

/// Finds orders that are stuck or that nothing works on.
///
/// # Errors
/// When Postgres or Temporal does not answer.
pub(super) async fn check(pool: &Pool, temporal: &Client, stuck_after: Duration) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    // Orders accepted just now may not have a workflow yet.
    for order in open_orders(pool, SETTLE, stuck_after).await? {
        if order.is_stuck {
            let compensating =
                order.compensating_for.map_or_else(String::new, |time| format!(", in compensation for {} s", time.as_secs()));
            findings.push(finding(&order, format!("{} for {} s{compensating}", order.status, order.open_for.as_secs())));
        }
        // The workflow's last transaction comes before its end, so a workflow that ended leaves no order open, at whatever moment one looks;
        // but the order may have ended since it was read.
        let workflow = workflow_state(temporal, &order.id).await?;
        if workflow != "running" && still_open(pool, &order.id).await? {
            findings.push(finding(&order, format!("{}, but its workflow is {workflow}", order.status)));
        }
    }
    Ok(findings)
}

fn finding(order: &OpenOrder, detail: String) -> Finding {
    Finding { invariant: "no order is stuck", subject: order.id.clone(), detail }
}

async fn still_open(pool: &Pool, id: &str) -> anyhow::Result<bool> {
    let client = db::connection(pool).await?;
    let row = client.query_opt("SELECT status = ANY ($2) FROM orders WHERE id = $1", &[&id, &OrderStatus::open()]).await?;
    Ok(row.map_or(Ok(false), |row| row.try_get(0))?)
}

async fn workflow_state(temporal: &Client, id: &str) -> anyhow::Result<&'static str> {
    let handle = temporal.get_workflow_handle::<OrderWorkflowType>(id);
    match handle.describe(WorkflowDescribeOptions::default()).await {
        Ok(description) if description.status() == WorkflowExecutionStatus::Running => Ok("running"),
        Ok(_) => Ok("closed"),
        Err(WorkflowInteractionError::NotFound(_)) => Ok("unknown to Temporal"),
        Err(error) => Err(error.into()),
    }
}
