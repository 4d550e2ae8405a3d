//! Stuck orders. The function is_stuck in migrations/functions has the rule. Its limits are
//! `AUDIT_STUCK_AFTER_S` and `PARCEL_SILENT_AFTER_S`. The audit lists the orders. Metrics count
//! them.

use crate::{config, db, sql::system as sql};
use deadpool_postgres::Pool;
use std::time::Duration;

/// The number of stuck orders and compensations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StuckCounts {
    pub(crate) orders: u64,
    /// Orders whose compensation is stuck. They are also counted in `orders`.
    pub(crate) compensations: u64,
}

impl StuckCounts {
    /// # Errors
    /// Fails if Postgres does not answer.
    pub(super) async fn count(pool: &Pool, limits: &config::StuckLimits) -> anyhow::Result<Self> {
        let client = db::connection(pool).await?;
        let (stuck_after, parcel_silent_after) = (seconds(limits.stuck_after), seconds(limits.parcel_silent_after));
        let stuck = sql::count_stuck_orders(&client, stuck_after, parcel_silent_after).await?;
        let as_count = |count| u64::try_from(count).unwrap_or_default();
        Ok(Self { orders: as_count(stuck.orders), compensations: as_count(stuck.compensations) })
    }
}

/// An order that has not ended.
pub(crate) struct OpenOrder {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) open_for: Duration,
    pub(crate) compensating_for: Option<Duration>,
    pub(crate) is_stuck: bool,
}

/// Open orders that are older than `age`, oldest first.
///
/// # Errors
/// Fails if Postgres does not answer.
pub(crate) async fn open_orders(pool: &Pool, age: Duration, limits: &config::StuckLimits) -> anyhow::Result<Vec<OpenOrder>> {
    let client = db::connection(pool).await?;
    let (stuck_after, parcel_silent_after) = (seconds(limits.stuck_after), seconds(limits.parcel_silent_after));
    let open = sql::open_orders(&client, stuck_after, parcel_silent_after, seconds(age)).await?;
    let duration = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let open = open.into_iter().map(|order| OpenOrder {
        id: order.id,
        status: order.status,
        open_for: duration(order.open_seconds),
        compensating_for: order.compensating_seconds.map(duration),
        is_stuck: order.is_stuck,
    });
    Ok(open.collect())
}

pub(crate) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
