//! How the system as a whole is doing, in the few numbers that alarms and scaling go by. Every worker finds the same.

mod stuck;

use crate::{config, db, failing};
use anyhow::Context;
use deadpool_postgres::Pool;
use platform::temporal::Backlog;
pub(crate) use stuck::{OpenOrder, Stuck, open_orders};
use temporalio_client::Client;
use tokio::sync::watch;

/// For how long the oldest of what is to leave Postgres has been waiting, in seconds. What fails by itself does not count: it holds nobody up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lags {
    pub(crate) events: u64,
    pub(crate) notices: u64,
    /// Changes that readers do not see yet.
    pub(crate) projection: u64,
}

/// Where the numbers come from.
#[derive(Clone)]
pub(crate) struct System {
    pub(crate) pool: Pool,
    /// The connection on which this worker takes tasks, while it does.
    pub(crate) temporal: watch::Receiver<Option<Client>>,
    pub(crate) task_queue: String,
    pub(crate) stuck: config::Stuck,
    /// Other systems are told of orders.
    pub(crate) has_topic: bool,
}

impl System {
    /// What waits in the task queue; nothing is known while Temporal is away.
    ///
    /// # Errors
    /// When Temporal does not answer.
    pub(crate) async fn backlog(&self) -> anyhow::Result<Option<Backlog>> {
        let Some(client) = self.temporal.borrow().clone() else { return Ok(None) };
        Ok(Some(Backlog::read(&client, &self.task_queue).await.context("Temporal does not tell the backlog")?))
    }

    /// Whether Postgres takes writes.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn is_writable(&self) -> anyhow::Result<bool> {
        let client = db::connection(&self.pool).await?;
        let writable = client.prepare_cached("SELECT current_setting('transaction_read_only') = 'off'").await?;
        let writable: bool = client.query_one(&writable, &[]).await?.try_get(0)?;
        if !writable {
            db::leave(&self.pool);
        }
        Ok(writable)
    }

    /// How many rows fail by themselves.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub(crate) async fn failing_rows(&self) -> anyhow::Result<u64> {
        let client = db::connection(&self.pool).await?;
        Ok(failing::count(&client).await?.iter().map(|(_, count)| count).sum())
    }

    /// For how long the oldest event, the oldest message to a customer and the oldest change that readers do not see have been waiting.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub(crate) async fn lags(&self) -> anyhow::Result<Lags> {
        let client = db::connection(&self.pool).await?;
        // Ids of orders rise with time, so the oldest event is among the first.
        let lags = client
            .prepare_cached(&format!(
                "SELECT (SELECT extract(epoch FROM now() - min(at))::bigint FROM (
                        SELECT at FROM order_history w WHERE published_at IS NULL AND {} ORDER BY order_id, version LIMIT 1000
                    ) h WHERE $1),
                    (SELECT extract(epoch FROM now() - min(due_since))::bigint FROM notifications WHERE state = 'PENDING'),
                    extract(epoch FROM now() - least(
                        (SELECT min(o.updated_at) FROM orders o WHERE o.projected_version < o.version AND {}),
                        (SELECT min(p.updated_at) FROM products p WHERE p.projected_version < p.version AND {})
                    ))::bigint",
                failing::is_well(failing::EVENTS, "w.order_id"),
                failing::is_well(failing::PROJECTION_ORDERS, "o.id"),
                failing::is_well(failing::PROJECTION_PRODUCTS, "p.id")
            ))
            .await?;
        let row = client.query_one(&lags, &[&self.has_topic]).await?;
        let seconds = |column| anyhow::Ok(u64::try_from(row.try_get::<_, Option<i64>>(column)?.unwrap_or_default()).unwrap_or_default());
        Ok(Lags { events: seconds(0)?, notices: seconds(1)?, projection: seconds(2)? })
    }

    /// SQL for the orders that are stuck, as (id, detail, since).
    pub(crate) fn stuck_orders(&self) -> String {
        stuck::query(&self.stuck)
    }

    /// What is stuck.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub(crate) async fn stuck(&self) -> anyhow::Result<Stuck> {
        Stuck::count(&self.pool, &self.stuck).await
    }
}
