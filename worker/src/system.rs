//! How the system as a whole is doing, in the few numbers that alarms and scaling go by. Every worker finds the same.

mod stuck;

use crate::{config, db, failing, sql::system as sql};
use anyhow::Context;
use deadpool_postgres::Pool;
use platform::temporal::Backlog;
pub(crate) use stuck::{OpenOrder, Stuck, open_orders, seconds};
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
        let writable = sql::is_writable(&client).await?.is_writable;
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
        let sql::Lags { events, notices, projection } = sql::lags(&client, self.has_topic).await?;
        let seconds = |lag: Option<i64>| u64::try_from(lag.unwrap_or_default()).unwrap_or_default();
        Ok(Lags { events: seconds(events), notices: seconds(notices), projection: seconds(projection) })
    }

    /// What is stuck.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub(crate) async fn stuck(&self) -> anyhow::Result<Stuck> {
        Stuck::count(&self.pool, &self.stuck).await
    }
}
