//! Failing rows: rows that fail by themselves. Every loop over rows uses this module, so one row's
//! failure affects no other row.
//!
//! A loop records such a row here, goes on with the other rows, and skips the row until its
//! `next_attempt_at`. The pause doubles from 2 seconds to 10 minutes. When the row succeeds, the
//! loop clears it. Failing rows are counted by a metric with an alarm, listed by the audit, and
//! shown to staff ([`crate::ops::attention`]).
//!
//! Record a row only if the row itself caused the failure. If Postgres or another system is away (a
//! timeout, no connection, throttling), every row would fail. Then the loop itself pauses, and
//! nothing is recorded.

use crate::sql::{Client, failing as sql};

/// Orders that cannot be projected to the read model.
pub(crate) const PROJECTION_ORDERS: &str = "PROJECTION_ORDERS";
/// Products that cannot be projected to the read model.
pub(crate) const PROJECTION_PRODUCTS: &str = "PROJECTION_PRODUCTS";

/// Orders whose expired reservations cannot be released.
pub(crate) const EXPIRY: &str = "EXPIRY";

/// Orders that have an event which cannot be read or published.
pub(crate) const EVENTS: &str = "EVENTS";

/// Orders whose workflow was lost.
pub(crate) const LOST_WORKFLOWS: &str = "LOST_WORKFLOWS";

/// Refunds that the gateway temporarily refuses or does not answer, and payments of orders in
/// compensation that could not be reversed yet.
pub(crate) const REFUNDS: &str = "REFUNDS";
/// Findings: things that somebody should look into and that are not retried
/// ([`crate::ops::finding`]).
pub(crate) const FINDINGS: &str = "FINDINGS";

/// The loops that metrics always show, even if no row fails in them.
pub(crate) const LOOPS: &[&str] = &[PROJECTION_ORDERS, PROJECTION_PRODUCTS, EXPIRY, EVENTS, LOST_WORKFLOWS, REFUNDS, FINDINGS];

/// The longest error text that is stored, in bytes.
const MAX_ERROR_BYTES: usize = 500;

/// A row that failed, and why. The error must not contain personal data.
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

/// Whether the row itself caused an error that occurred while the row was processed. All other
/// errors could happen to any row: a lost connection, a conflict with other transactions, a lack of
/// resources, or a server that accepts no writes.
pub(crate) fn is_row_failure(error: &anyhow::Error) -> bool {
    /// SQLSTATE classes of errors that could happen to any row: connection, transaction state
    /// (read-only), rollback, resources, object not in the required state, operator intervention,
    /// system error.
    const SHARED_FAILURE_CLASSES: [&str; 7] = ["08", "25", "40", "53", "55", "57", "58"];
    match error.downcast_ref::<tokio_postgres::Error>() {
        None => error.downcast_ref::<deadpool_postgres::PoolError>().is_none(),
        Some(error) => error.code().is_some_and(|code| !SHARED_FAILURE_CLASSES.contains(&&code.code()[..2])),
    }
}

/// Records and logs rows that failed. It counts the attempt and sets the time of the next one.
///
/// # Errors
/// Fails if Postgres does not accept the record.
pub(crate) async fn record_failures(client: &dyn Client, loop_name: &str, failures: &[Failure]) -> anyhow::Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    let (ids, errors): (Vec<&str>, Vec<&str>) = failures
        .iter()
        .map(|failure| (failure.row_id.as_str(), &failure.error[..failure.error.floor_char_boundary(MAX_ERROR_BYTES)]))
        .unzip();
    for row in sql::record_failures(client, loop_name, &ids, &errors).await? {
        let sql::FailingRow { row_id, attempts, error } = row;
        tracing::error!(loop_name, row_id, attempts, error, "{row_id} fails in {loop_name}; the loop goes on without it: {error}");
    }
    Ok(())
}

/// Clears the failures of rows that succeeded or no longer exist.
///
/// # Errors
/// Fails as [`record_failures`] does.
pub(crate) async fn clear_failures(client: &dyn Client, loop_name: &str, row_ids: &[String]) -> anyhow::Result<()> {
    sql::clear_failures(client, loop_name, row_ids).await?;
    Ok(())
}

/// Makes all failing rows of these loops due at once.
///
/// # Errors
/// Fails as [`record_failures`] does.
pub(crate) async fn retry_now(client: &dyn Client, loop_names: &[&str]) -> anyhow::Result<()> {
    sql::retry_now(client, loop_names).await?;
    Ok(())
}

/// Counts how many of these rows are failing rows in one of the loops.
///
/// # Errors
/// Fails if Postgres does not answer.
pub(crate) async fn count_failing(client: &dyn Client, loop_names: &[&str], row_ids: &[String]) -> anyhow::Result<usize> {
    Ok(usize::try_from(sql::count_failing(client, loop_names, row_ids).await?.failing)?)
}

/// Counts the failing rows of each loop: of all [`LOOPS`], and of any other loop that has some.
///
/// # Errors
/// Fails if Postgres does not answer.
pub(crate) async fn count_by_loop(client: &dyn Client) -> anyhow::Result<Vec<(String, u64)>> {
    let loops = sql::count_by_loop(client, LOOPS).await?;
    Ok(loops.into_iter().map(|counted| (counted.loop_name, u64::try_from(counted.failing).unwrap_or_default())).collect())
}
