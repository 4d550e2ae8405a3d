//! The invariants between orders and workflows: every open order has a workflow that works on it, and none stays open for ever.

use super::{Finding, SETTLE};
use crate::db;
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
    for order in open_orders(pool).await? {
        if order.open_for > stuck_after {
            findings.push(order.finding(format!("{} for {} s", order.status, order.open_for.as_secs())));
        }
        // The workflow's last transaction comes before its end, so a workflow that ended leaves no order open, at whatever moment one looks;
        // but the order may have ended since it was read.
        let workflow = workflow_state(temporal, &order.id).await?;
        if workflow != "running" && still_open(pool, &order.id).await? {
            findings.push(order.finding(format!("{}, but its workflow is {workflow}", order.status)));
        }
    }
    Ok(findings)
}

struct OpenOrder {
    id: String,
    status: String,
    open_for: Duration,
}

impl OpenOrder {
    fn finding(&self, detail: String) -> Finding {
        Finding { invariant: "no order is stuck", subject: self.id.clone(), detail }
    }
}

/// Open orders, but for those accepted just now.
async fn open_orders(pool: &Pool) -> anyhow::Result<Vec<OpenOrder>> {
    let client = db::connection(pool).await?;
    let rows = client
        .query(
            "SELECT id, status, extract(epoch FROM now() - created_at)::bigint FROM orders
            WHERE status = ANY ($1) AND created_at < now() - $2::bigint * interval '1 second' ORDER BY created_at",
            &[&OrderStatus::open(), &i64::try_from(SETTLE.as_secs())?],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let seconds: i64 = row.try_get(2)?;
            let open_for = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
            Ok(OpenOrder { id: row.try_get(0)?, status: row.try_get(1)?, open_for })
        })
        .collect()
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
