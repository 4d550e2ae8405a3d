//! The invariants between orders and workflows. Every open order has a running workflow, and the
//! order of every running workflow is open. No workflow of any type runs for too long or has
//! failed.

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
/// How many workflows are compared with their orders at once.
const SOME: usize = 500;

/// Finds stuck orders, open orders without a running workflow, and workflows that ran for too long
/// or failed.
///
/// # Errors
/// Fails if Postgres or Temporal does not answer.
pub(super) async fn check(pool: &Pool, temporal: &Client, limits: &config::Stuck) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    // Orders that were accepted just now may not have a workflow yet.
    for order in open_orders(pool, SETTLE, limits).await? {
        if order.is_stuck {
            let compensating =
                order.compensating_for.map_or_else(String::new, |time| format!(", in compensation for {} s", time.as_secs()));
            findings.push(finding(&order, format!("{} for {} s{compensating}", order.status, order.open_for.as_secs())));
        }
        // A workflow ends only after its last transaction has ended the order. So a workflow that
        // has ended never leaves its order open. But the order may have ended after it was read
        // above, so its status is read again.
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

/// Finds order workflows that have run for longer than `stuck_after`, although their order is not
/// in Postgres or ended at least `stuck_after` ago.
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
            // Temporal's list may be out of date, so each workflow is asked for its state.
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

/// Finds workflows of all types except `OrderWorkflow` that have run for longer than `stuck_after`,
/// or did not end successfully. These are refunds, restocks, events of the payment gateway, and any
/// type that a newer release adds.
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

/// Whether a workflow failed because its order does not exist. Another system may share the payment
/// gateway's account, so its events reach OrderFlow, too.
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
