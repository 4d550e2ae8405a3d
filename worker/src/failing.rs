//! Rows that fail by themselves, in whatever loop over rows: one row's failure concerns that row alone.
//!
//! A loop records such a row here, goes on with the others, and leaves the row out until its `next_attempt_at`; the pause doubles from 2 seconds
//! to 10 minutes. When the row succeeds, the loop clears it. What fails is counted in a metric with an alarm, named by the audit,
//! and shown to staff ([`crate::attention`]).
//!
//! Record a row only for a failure of its own. When the other side is away (a timeout, no connection, throttling), every row would fail: then the
//! loop itself pauses, and nothing is recorded.

use crate::sql::{Client, failing as sql};

/// Orders that cannot be projected to the read model.
pub(crate) const PROJECTION_ORDERS: &str = "PROJECTION_ORDERS";
/// Products that cannot be projected to the read model.
pub(crate) const PROJECTION_PRODUCTS: &str = "PROJECTION_PRODUCTS";

/// Orders whose expired reservations cannot be given back.
pub(crate) const EXPIRY: &str = "EXPIRY";

/// Orders of which an event cannot be read or published.
pub(crate) const EVENTS: &str = "EVENTS";

/// Orders whose workflow was gone.
pub(crate) const LOST_WORKFLOWS: &str = "LOST_WORKFLOWS";

/// Refunds, and payments of withdrawn orders, that the gateway refuses for now or that it does not answer for.
pub(crate) const REFUNDS: &str = "REFUNDS";
/// What somebody should look into, and nobody tries again ([`crate::finding`]).
pub(crate) const FINDINGS: &str = "FINDINGS";

/// The loops that metrics show, also while nothing fails in them.
pub(crate) const LOOPS: &[&str] = &[PROJECTION_ORDERS, PROJECTION_PRODUCTS, EXPIRY, EVENTS, LOST_WORKFLOWS, REFUNDS, FINDINGS];

/// Bytes of an error that are kept.
const ERROR_BYTES: usize = 500;

/// A row that failed, and why. The error must hold nothing personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) row_id: String,
    pub(crate) error: String,
}

impl Failure {
    pub(crate) fn new(row_id: impl Into<String>, error: &anyhow::Error) -> Self {
        Self { row_id: row_id.into(), error: format!("{error:#}") }
    }
}

/// Whether a failure in work on a row in Postgres is the row's own: not a lost connection, a conflict with others, a lack of resources, or a server
/// that takes no writes, which would meet any row.
pub(crate) fn is_of_row(error: &anyhow::Error) -> bool {
    /// Classes of SQLSTATE: connection, state of the transaction (read-only), rollback, resources, object not in the needed state, operator, system.
    const OF_ALL: [&str; 7] = ["08", "25", "40", "53", "55", "57", "58"];
    match error.downcast_ref::<tokio_postgres::Error>() {
        None => error.downcast_ref::<deadpool_postgres::PoolError>().is_none(),
        Some(error) => error.code().is_some_and(|code| !OF_ALL.contains(&&code.code()[..2])),
    }
}

/// Records that rows failed: counts the attempt and sets the time of the next one. Logs each.
///
/// # Errors
/// When Postgres does not take it.
pub(crate) async fn record(client: &dyn Client, loop_name: &str, failures: &[Failure]) -> anyhow::Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    let (ids, errors): (Vec<&str>, Vec<&str>) =
        failures.iter().map(|failure| (failure.row_id.as_str(), &failure.error[..failure.error.floor_char_boundary(ERROR_BYTES)])).unzip();
    for row in sql::record_failures(client, loop_name, &ids, &errors).await? {
        let sql::FailingRow { row_id, attempts, error } = row;
        tracing::error!(loop_name, row_id, attempts, error, "{row_id} fails in {loop_name}; the loop goes on without it: {error}");
    }
    Ok(())
}

/// Rows that succeeded, or are gone, do not fail any more.
///
/// # Errors
/// As [`record`].
pub(crate) async fn clear(client: &dyn Client, loop_name: &str, row_ids: &[String]) -> anyhow::Result<()> {
    sql::clear_failures(client, loop_name, row_ids).await?;
    Ok(())
}

/// Lets rows be tried again at once.
///
/// # Errors
/// As [`record`].
pub(crate) async fn retry_now(client: &dyn Client, loop_names: &[&str]) -> anyhow::Result<()> {
    sql::retry_now(client, loop_names).await?;
    Ok(())
}

/// How many of these rows fail.
///
/// # Errors
/// When Postgres does not answer.
pub(crate) async fn among(client: &dyn Client, loop_names: &[&str], row_ids: &[String]) -> anyhow::Result<usize> {
    Ok(usize::try_from(sql::count_among(client, loop_names, row_ids).await?.failing)?)
}

/// How many rows fail in each loop that there is, and in each in which any does.
///
/// # Errors
/// When Postgres does not answer.
pub(crate) async fn count(client: &dyn Client) -> anyhow::Result<Vec<(String, u64)>> {
    let loops = sql::count_by_loop(client, LOOPS).await?;
    Ok(loops.into_iter().map(|counted| (counted.loop_name, u64::try_from(counted.failing).unwrap_or_default())).collect())
}
