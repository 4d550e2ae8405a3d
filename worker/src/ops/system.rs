//! The state of the whole system, in the few numbers that alarms and scaling use. Every worker gets
//! the same numbers.

mod stuck;

use crate::{config, db, ops::failing, sql::system as sql};
use anyhow::Context;
use deadpool_postgres::Pool;
use platform::temporal::Backlog;
pub(crate) use stuck::{OpenOrder, StuckCounts, open_orders, seconds};
use temporalio_client::Client;
use tokio::sync::watch;

/// How long the oldest row has been waiting to leave Postgres, in seconds. Failing rows do not
/// count, because they do not block other rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lags {
    pub(crate) events: u64,
    pub(crate) notices: u64,
    /// Changes that the read model does not show yet.
    pub(crate) projection: u64,
}

/// The sources of the numbers.
#[derive(Clone)]
pub(crate) struct System {
    pub(crate) pool: Pool,
    /// The connection on which this worker receives tasks; `None` while there is none.
    pub(crate) temporal: watch::Receiver<Option<Client>>,
    pub(crate) task_queue: String,
    pub(crate) stuck_limits: config::StuckLimits,
    /// Whether events are published for other systems.
    pub(crate) has_topic: bool,
}

impl System {
    /// The tasks that wait in the task queue. Returns `None` while the worker is not connected to
    /// Temporal.
    ///
    /// # Errors
    /// Fails if Temporal does not answer.
    pub(crate) async fn read_backlog(&self) -> anyhow::Result<Option<Backlog>> {
        let Some(client) = self.temporal.borrow().clone() else { return Ok(None) };
        Ok(Some(Backlog::read(&client, &self.task_queue).await.context("cannot read the backlog from Temporal")?))
    }

    /// Whether Postgres accepts writes. If it does not, all open connections are dropped.
    ///
    /// # Errors
    /// Fails if Postgres does not answer.
    pub(crate) async fn is_writable(&self) -> anyhow::Result<bool> {
        let client = db::connection(&self.pool).await?;
        let writable = sql::is_writable(&client).await?.is_writable;
        if !writable {
            db::drop_connections(&self.pool);
        }
        Ok(writable)
    }

    /// The number of failing rows.
    ///
    /// # Errors
    /// Fails if Postgres does not answer.
    pub(crate) async fn count_failing_rows(&self) -> anyhow::Result<u64> {
        let client = db::connection(&self.pool).await?;
        Ok(failing::count_by_loop(&client).await?.iter().map(|(_, count)| count).sum())
    }

    /// How long the oldest unpublished event, the oldest unsent notification and the oldest change
    /// that is not projected have been waiting.
    ///
    /// # Errors
    /// Fails if Postgres does not answer.
    pub(crate) async fn read_lags(&self) -> anyhow::Result<Lags> {
        let client = db::connection(&self.pool).await?;
        let sql::Lags { events, notices, projection } = sql::lags(&client, self.has_topic).await?;
        let seconds = |lag: Option<i64>| u64::try_from(lag.unwrap_or_default()).unwrap_or_default();
        Ok(Lags { events: seconds(events), notices: seconds(notices), projection: seconds(projection) })
    }

    /// Whether a loop of the worker has something to do now.
    ///
    /// # Errors
    /// Fails if Postgres does not answer.
    pub(crate) async fn has_due_rows(&self) -> anyhow::Result<bool> {
        let client = db::connection(&self.pool).await?;
        Ok(sql::has_due_rows(&client, self.has_topic).await?.has_due_rows)
    }

    /// The number of stuck orders and compensations.
    ///
    /// # Errors
    /// Fails if Postgres does not answer.
    pub(crate) async fn count_stuck(&self) -> anyhow::Result<StuckCounts> {
        StuckCounts::count(&self.pool, &self.stuck_limits).await
    }
}
