//! The one rule for what is stuck: an order that has been open and has not changed, though it waits for nobody, or a compensation that has been
//! tried, for too long; and one of whose parcel nothing new was heard for very long. The audit names the orders, metrics and alarms count them.

use crate::{config, db, order};
use deadpool_postgres::Pool;
use std::time::Duration;

/// Of an open order, $1 in seconds, and $2 for parcels. Those that wait for somebody's decision have a time limit of their own; those whose parcels are
/// with their carriers wait for these.
const ORDER: &str = "CASE WHEN compensating_since IS NOT NULL THEN compensating_since < now() - $1::bigint * interval '1 second'
    ELSE status NOT IN ('ACTION_REQUIRED', 'IN_REVIEW') AND created_at < now() - $1::bigint * interval '1 second'
        AND NOT EXISTS (SELECT FROM order_history h WHERE h.order_id = id AND h.at >= now() - $1::bigint * interval '1 second')
        AND NOT (status IN ('PAID', 'SHIPPED')
            AND NOT EXISTS (SELECT FROM shipments s WHERE s.order_id = orders.id AND s.status = 'PENDING')
            AND EXISTS (SELECT FROM shipments s WHERE s.order_id = orders.id AND s.status IN ('BOOKED', 'IN_TRANSIT'))
            AND NOT EXISTS (SELECT FROM shipments s WHERE s.order_id = orders.id AND s.status IN ('BOOKED', 'IN_TRANSIT')
                AND s.updated_at < now() - $2::bigint * interval '1 second')) END";
const COMPENSATION: &str = "compensating_since < now() - $1::bigint * interval '1 second'";

/// How many are stuck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) orders: u64,
    /// Orders whose compensation is; counted among the orders too.
    pub(crate) compensations: u64,
}

impl Stuck {
    /// # Errors
    /// When Postgres does not answer.
    pub(super) async fn count(pool: &Pool, limits: &config::Stuck) -> anyhow::Result<Self> {
        let open = order::is_open();
        let client = db::connection(pool).await?;
        let count = client
            .prepare_cached(&format!("SELECT count(*), count(*) FILTER (WHERE {COMPENSATION}) FROM orders WHERE {open} AND {ORDER}"))
            .await?;
        let row = client.query_one(&count, &[&seconds(limits.stuck_after), &seconds(limits.parcel_silent_after)]).await?;
        let number = |column| anyhow::Ok(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or_default());
        Ok(Self { orders: number(0)?, compensations: number(1)? })
    }
}

/// SQL for the orders that are stuck, as (id, detail, since).
pub(super) fn query(limits: &config::Stuck) -> String {
    format!(
        "SELECT id, status || CASE WHEN compensating_since IS NULL THEN '' ELSE ', in compensation' END AS detail,
            coalesce(compensating_since, created_at) AS since
        FROM orders WHERE {} AND {}",
        order::is_open(),
        ORDER.replace("$1", &seconds(limits.stuck_after).to_string()).replace("$2", &seconds(limits.parcel_silent_after).to_string())
    )
}

/// An order that has not ended.
pub(crate) struct OpenOrder {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) open_for: Duration,
    pub(crate) compensating_for: Option<Duration>,
    pub(crate) is_stuck: bool,
}

/// Open orders older than `age`, oldest first.
///
/// # Errors
/// When Postgres does not answer.
pub(crate) async fn open_orders(pool: &Pool, age: Duration, limits: &config::Stuck) -> anyhow::Result<Vec<OpenOrder>> {
    let open = order::is_open();
    let query = format!(
        "SELECT id, status, extract(epoch FROM now() - created_at)::bigint, extract(epoch FROM now() - compensating_since)::bigint, {ORDER}
        FROM orders WHERE {open} AND created_at < now() - $3::bigint * interval '1 second' ORDER BY created_at"
    );
    let rows = db::connection(pool)
        .await?
        .query(&query, &[&seconds(limits.stuck_after), &seconds(limits.parcel_silent_after), &seconds(age)])
        .await?;
    let duration = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    rows.iter()
        .map(|row| {
            Ok(OpenOrder {
                id: row.try_get(0)?,
                status: row.try_get(1)?,
                open_for: duration(row.try_get(2)?),
                compensating_for: row.try_get::<_, Option<i64>>(3)?.map(duration),
                is_stuck: row.try_get(4)?,
            })
        })
        .collect()
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
