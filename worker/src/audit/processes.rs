//! The invariants between orders and workflows: every open order has a workflow that works on it, every workflow an order that is open, and none
//! of whatever type goes on for ever, or has failed.

use super::{Finding, SETTLE};
use crate::{
    config, db,
    inventory::millis,
    resume::{is_of_workflow, workflow_state},
    sql::audit as sql,
    system::{OpenOrder, open_orders},
};
use deadpool_postgres::Pool;
use futures::{StreamExt, TryStreamExt};
use orders::{OrderStatus, activities::NO_SUCH_ORDER, workflow::ReconcileWorkflowType};
use std::{pin::pin, time::Duration};
use temporalio_client::{Client, WorkflowExecutionStatus, WorkflowGetResultOptions, WorkflowListOptions};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const STUCK: &str = "no order is stuck";
/// Workflows whose orders are looked for at once.
const SOME: usize = 500;

/// Finds orders that are stuck or that nothing works on.
///
/// # Errors
/// When Postgres or Temporal does not answer.
pub(super) async fn check(pool: &Pool, temporal: &Client, limits: &config::Stuck) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    // Orders accepted just now may not have a workflow yet.
    for order in open_orders(pool, SETTLE, limits).await? {
        if order.is_stuck {
            let compensating =
                order.compensating_for.map_or_else(String::new, |time| format!(", in compensation for {} s", time.as_secs()));
            findings.push(finding(&order, format!("{} for {} s{compensating}", order.status, order.open_for.as_secs())));
        }
        // The workflow's last transaction comes before its end, so a workflow that ended leaves no order open, at whatever moment one looks;
        // but the order may have ended since it was read.
        let workflow = match workflow_state(temporal, &order.id).await {
            Ok(workflow) => workflow,
            Err(error) if is_of_workflow(&error) => {
                findings.push(finding(&order, format!("{}, and its workflow cannot be described: {error}", order.status)));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if workflow != "running" && still_open(pool, &order.id).await? {
            findings.push(finding(&order, format!("{}, but its workflow is {workflow}", order.status)));
        }
    }
    findings.extend(left_running(pool, temporal, limits.stuck_after).await?);
    findings.extend(other_workflows(temporal, limits.stuck_after).await?);
    Ok(findings)
}

/// Workflows that have run for longer than an order may take and do not get it on record, or that do not end after it.
async fn left_running(pool: &Pool, temporal: &Client, stuck_after: Duration) -> anyhow::Result<Vec<Finding>> {
    let before = (OffsetDateTime::now_utc() - stuck_after).format(&Rfc3339)?;
    let query = format!("WorkflowType = 'OrderWorkflow' AND ExecutionStatus = 'Running' AND StartTime < '{before}'");
    let running = temporal.list_workflows(query, WorkflowListOptions::default());
    let mut some = pin!(running.map_ok(|workflow| workflow.id().to_owned()).try_chunks(SOME));
    let mut findings = Vec::new();
    while let Some(ids) = some.next().await {
        let ids = ids.map_err(|error| error.1)?;
        let left = sql::left_running(&db::connection(pool).await?, &ids, &OrderStatus::open(), millis(stuck_after)).await?;
        for sql::LeftRunning { id, status } in left {
            // The list may be late.
            let workflow = match workflow_state(temporal, &id).await {
                Err(error) if !is_of_workflow(&error) => return Err(error.into()),
                workflow => workflow,
            };
            if workflow.is_ok_and(|workflow| workflow == "running") {
                let detail = format!("{status}, but its workflow has been running for more than {} s", stuck_after.as_secs());
                findings.push(Finding { invariant: STUCK, subject: id, detail });
            }
        }
    }
    Ok(findings)
}

/// Workflows of other types than the orders' that have been running for longer than they may take, or that have failed: refunds, restocks, events at
/// the payment gateway, and whatever a newer release adds.
async fn other_workflows(temporal: &Client, stuck_after: Duration) -> anyhow::Result<Vec<Finding>> {
    let before = (OffsetDateTime::now_utc() - stuck_after).format(&Rfc3339)?;
    let query = format!(
        "WorkflowType != 'OrderWorkflow' AND ((ExecutionStatus = 'Running' AND StartTime < '{before}')
        OR ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated', 'Canceled'))"
    );
    let mut workflows = pin!(temporal.list_workflows(query, WorkflowListOptions::default()));
    let mut findings = Vec::new();
    while let Some(workflow) = workflows.next().await {
        let workflow = workflow?;
        let (id, kind) = (workflow.id().to_owned(), workflow.workflow_type().to_owned());
        let detail = match workflow.status() {
            WorkflowExecutionStatus::Running => format!("{kind} has been running for more than {} s", stuck_after.as_secs()),
            WorkflowExecutionStatus::Failed if is_of_another_shop(temporal, &id).await => continue,
            WorkflowExecutionStatus::Failed => format!("{kind} has failed"),
            _ => format!("{kind} did not end by itself"),
        };
        findings.push(Finding { invariant: "every workflow comes to its end", subject: id, detail });
    }
    Ok(findings)
}

/// Whether a workflow failed since there is no such order: another system may share the payment gateway's account.
async fn is_of_another_shop(temporal: &Client, id: &str) -> bool {
    let handle = temporal.get_workflow_handle::<ReconcileWorkflowType>(id);
    let result = handle.get_result(WorkflowGetResultOptions::default()).await;
    result.is_err_and(|error| format!("{error:?}").contains(NO_SUCH_ORDER))
}

fn finding(order: &OpenOrder, detail: String) -> Finding {
    Finding { invariant: STUCK, subject: order.id.clone(), detail }
}

async fn still_open(pool: &Pool, id: &str) -> anyhow::Result<bool> {
    let client = db::connection(pool).await?;
    Ok(sql::is_open(&client, id, &OrderStatus::open()).await?.is_some_and(|order| order.is_open))
}
