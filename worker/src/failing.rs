//! Rows that fail by themselves, in whatever loop over rows: one row's failure concerns that row alone.
//!
//! A loop records such a row here, goes on with the others, and leaves the row out until its next attempt is due ([`is_due`]); the pause doubles
//! from 2 seconds to 10 minutes. When the row succeeds, the loop clears it. What fails is counted in a metric with an alarm, named by the audit,
//! and shown to staff ([`crate::attention`]).
//!
//! Record a row only for a failure of its own. When the other side is away (a timeout, no connection, throttling), every row would fail: then the
//! loop itself pauses, and nothing is recorded.

use deadpool_postgres::GenericClient;

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
pub(crate) async fn record(client: &impl GenericClient, loop_name: &str, failures: &[Failure]) -> anyhow::Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    let (ids, errors): (Vec<&str>, Vec<&str>) =
        failures.iter().map(|failure| (failure.row_id.as_str(), &failure.error[..failure.error.floor_char_boundary(ERROR_BYTES)])).unzip();
    let statement = client
        .prepare_cached(
            "INSERT INTO failing_rows AS f (loop, row_id, error, next_attempt_at)
            SELECT DISTINCT ON (r.id) $1, r.id, r.error, now() + interval '2 s' FROM unnest($2::text[], $3::text[]) AS r (id, error)
            ON CONFLICT (loop, row_id) DO UPDATE SET attempts = f.attempts + 1, error = EXCLUDED.error,
                next_attempt_at = now() + least(600, 2 ^ least(f.attempts + 1, 10)) * interval '1 s'
            RETURNING row_id, attempts, error",
        )
        .await?;
    for row in client.query(&statement, &[&loop_name, &ids, &errors]).await? {
        let (row_id, attempts, error): (&str, i32, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        tracing::error!(loop_name, row_id, attempts, error, "{row_id} fails in {loop_name}; the loop goes on without it: {error}");
    }
    Ok(())
}

/// Rows that succeeded, or are gone, do not fail any more.
///
/// # Errors
/// As [`record`].
pub(crate) async fn clear(client: &impl GenericClient, loop_name: &str, row_ids: &[String]) -> anyhow::Result<()> {
    let clear = client.prepare_cached("DELETE FROM failing_rows WHERE loop = $1 AND row_id = ANY ($2)").await?;
    client.execute(&clear, &[&loop_name, &row_ids]).await?;
    Ok(())
}

/// Lets rows be tried again at once.
///
/// # Errors
/// As [`record`].
pub(crate) async fn retry_now(client: &impl GenericClient, loop_names: &[&str]) -> anyhow::Result<()> {
    client.execute("UPDATE failing_rows SET next_attempt_at = now() WHERE loop = ANY ($1)", &[&loop_names]).await?;
    Ok(())
}

/// How many of these rows fail.
///
/// # Errors
/// When Postgres does not answer.
pub(crate) async fn among(client: &impl GenericClient, loop_names: &[&str], row_ids: &[String]) -> anyhow::Result<usize> {
    let count = "SELECT count(*) FROM failing_rows WHERE loop = ANY ($1) AND row_id = ANY ($2)";
    Ok(usize::try_from(client.query_one(count, &[&loop_names, &row_ids]).await?.try_get::<_, i64>(0)?)?)
}

/// SQL: the row whose id stands in this column does not fail, or is due to be tried again.
pub(crate) fn is_due(loop_name: &str, id_column: &str) -> String {
    format!("NOT EXISTS (SELECT FROM failing_rows f WHERE f.loop = '{loop_name}' AND f.row_id = {id_column} AND f.next_attempt_at > now())")
}

/// SQL: the row whose id stands in this column does not fail.
pub(crate) fn is_well(loop_name: &str, id_column: &str) -> String {
    format!("NOT EXISTS (SELECT FROM failing_rows f WHERE f.loop = '{loop_name}' AND f.row_id = {id_column})")
}

/// How many rows fail in each loop that there is, and in each in which any does.
///
/// # Errors
/// When Postgres does not answer.
pub(crate) async fn count(client: &impl GenericClient) -> anyhow::Result<Vec<(String, u64)>> {
    let count = client
        .prepare_cached(
            "SELECT loop, count(row_id) FROM failing_rows FULL JOIN unnest($1::text[]) AS known (loop) USING (loop) GROUP BY loop ORDER BY loop",
        )
        .await?;
    let rows = client.query(&count, &[&LOOPS]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, u64::try_from(row.try_get::<_, i64>(1)?).unwrap_or_default()))).collect()
}
