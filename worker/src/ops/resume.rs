//! Lost workflows: orders that have not ended but have no running workflow. The workflow was
//! terminated, was ended by Temporal's limits, or was lost with its namespace. The order's stock
//! and money would be held for ever.
//!
//! Such a workflow is started again and goes on from the facts in Postgres. Each worker does this
//! regularly. `worker audit --repair` and `worker resume` do it, too.

mod lost;

use crate::{
    config, db,
    ops::failing::{self, Failure, LOST_WORKFLOWS},
    order,
    sql::{Columns, Id, resume as sql},
};
use anyhow::{Context, anyhow};
use deadpool_postgres::Pool;
pub(crate) use lost::{find_all_lost, is_workflow_error, workflow_state};
use orders::{
    OrderId, OrderStatus,
    workflow::{OrderStart, OrderWorkflowType, Resume},
};
use platform::{
    metrics::list,
    read_model::{ReadModel, ReadStatus},
    temporal::{Connector, Timeouts},
    trace,
};
use std::time::Duration;
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions, errors::WorkflowStartError};
use time::OffsetDateTime;
use tokio::{sync::watch, time::sleep};

/// How many orders one batch checks, and how many workflows it starts again at most.
const BATCH: i64 = 1_000;
const MAX_STARTS: usize = 200;

/// `worker resume`: starts lost workflows again, and prints what it did with each order.
///
/// # Errors
/// Fails if Postgres, the read model or Temporal does not answer, or an order is unknown.
pub async fn run(settings: config::Resume) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let pool = db::pool(&settings.postgres).await?;
    let aws = platform::aws::config(platform::aws::Timeouts::BACKGROUND).await;
    let read_model = ReadModel::new(aws_sdk_dynamodb::Client::new(&aws), settings.read_model.clone());
    let timeouts = Timeouts { connect: Duration::from_secs(5), call: Duration::from_secs(10) };
    let task_queue = settings.temporal.temporal_task_queue.clone();
    let temporal = Connector::new(settings.temporal, "resume", timeouts).connect().await?;
    if settings.all {
        let lost = find_all_lost(&pool, &temporal, &read_model, settings.stuck.stuck_after, true).await?;
        for id in &lost {
            restart_workflow(&temporal, &task_queue, *id).await?;
            println!("{id}: its workflow is started again");
        }
        println!("{} orders resumed", lost.len());
        return Ok(());
    }
    for id in settings.orders {
        let status: ReadStatus = match find_status(&pool, id).await? {
            Some(status) => status.into(),
            None => read_model.order(id).await?.with_context(|| format!("{id}: there is no such order"))?.status,
        };
        if status.is_final() {
            println!("{id}: it has ended, {status}");
        } else if workflow_state(&temporal, &id.to_string()).await? == "running" {
            println!("{id}: its workflow is running");
        } else {
            restart_workflow(&temporal, &task_queue, id).await?;
            println!("{id}: its workflow is started again");
        }
    }
    Ok(())
}

/// Starts an order's workflow again, unless it is running.
///
/// # Errors
/// Fails if Temporal does not accept the start.
pub(crate) async fn restart_workflow(temporal: &Client, task_queue: &str, id: OrderId) -> anyhow::Result<()> {
    let options = WorkflowStartOptions::new(task_queue.to_owned(), id.to_string())
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .build();
    match temporal.start_workflow(OrderWorkflowType, OrderStart::Again(Resume::for_order(id)), options).await {
        Ok(_) | Err(WorkflowStartError::AlreadyStarted { .. }) => Ok(()),
        Err(error) => Err(anyhow!(error).context(format!("the workflow of {id} cannot be started again"))),
    }
}

async fn find_status(pool: &Pool, id: OrderId) -> anyhow::Result<Option<OrderStatus>> {
    order::find_status(&db::connection(pool).await?, id).await
}

/// Searches for lost workflows regularly and starts them again.
pub(crate) struct Resumer {
    pub(crate) pool: Pool,
    /// The connection on which this worker takes tasks; `None` while there is none.
    pub(crate) temporal: watch::Receiver<Option<Client>>,
    pub(crate) task_queue: String,
    /// The pause between two batches. Zero: this worker does not search.
    pub(crate) period: Duration,
}

/// The order after which the next batch begins: the time at which it was accepted, and its id.
pub(crate) type Position = (OffsetDateTime, String);

/// The position of the first batch.
pub(crate) const FIRST: Position = (OffsetDateTime::UNIX_EPOCH, String::new());

impl Resumer {
    /// Searches for ever.
    pub(crate) async fn run(self) {
        if self.period.is_zero() {
            return std::future::pending().await;
        }
        let mut position = FIRST;
        loop {
            sleep(self.period).await;
            match self.check_batch(&position).await {
                Ok(next) => position = next.unwrap_or(FIRST),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "lost workflows cannot be searched for now"),
            }
        }
    }

    /// Checks the next batch of open orders. Returns the position at which the next batch begins;
    /// `None` means at the start.
    pub(crate) async fn check_batch(&self, position: &Position) -> anyhow::Result<Option<Position>> {
        let Some(temporal) = self.temporal.borrow().clone() else { return Ok(Some(position.clone())) };
        let (batch, next) = self.open_orders(position).await?;
        let lost = lost::find_lost(&self.pool, &temporal, &batch).await?;
        let mut failures = Vec::new();
        for id in lost.iter().take(MAX_STARTS) {
            let span = trace::join(*id, &crate::trace::find(&self.pool, *id).await);
            if let Err(error) = trace::within(span, restart_workflow(&temporal, &self.task_queue, *id)).await {
                // The cause may be Temporal or this order alone. The order becomes a failing row,
                // so the next batches skip it and reach the other orders.
                failures.push(Failure::new(id.to_string(), &error));
                break;
            }
            list::ORDERS_RESUMED.increment(&[]);
            failures.push(Failure::new(id.to_string(), &anyhow!("its workflow was lost and is started again")));
        }
        let client = db::connection(&self.pool).await?;
        failing::record_failures(&client, LOST_WORKFLOWS, &failures).await?;
        // Clears the failures of orders whose workflow runs again, and of orders that have ended
        // since.
        let lost: Vec<String> = lost.iter().map(ToString::to_string).collect();
        let checked: Vec<String> = batch.iter().map(ToString::to_string).collect();
        sql::clear_found_failures(&client, &lost, &checked).await?;
        Ok(next)
    }

    async fn open_orders(&self, (accepted, id): &Position) -> anyhow::Result<(Vec<OrderId>, Option<Position>)> {
        let client = db::connection(&self.pool).await?;
        let open = sql::open_orders(&client, *accepted, id, BATCH).await?;
        let is_full = i64::try_from(open.iter().len()).is_ok_and(|rows| rows == BATCH);
        let next = match open.iter().next_back() {
            Some(last) if is_full => Some((sql::Acceptance::read(last)?.created_at, Id::read(last)?.id)),
            _ => None,
        };
        let ids = open.iter().map(Id::read).collect::<Result<Vec<_>, _>>()?;
        Ok((lost::parse_order_ids(&ids), next))
    }
}
