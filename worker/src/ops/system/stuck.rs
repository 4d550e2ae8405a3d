//! The rule that says which orders are stuck.
//!
//! An order that is being compensated is stuck if the compensation has been running for longer than
//! `AUDIT_STUCK_AFTER_S`. Any other open order is stuck if its status has not changed for longer
//! than `AUDIT_STUCK_AFTER_S`. There are two exceptions:
//!
//! - An order that waits for a decision is not stuck, because the decision has its own time limit.
//! - A PAID or SHIPPED order that waits for its parcels is not stuck. Such an order has no unbooked
//!   parcel and at least one parcel that is booked or in transit, and each of these has had news
//!   within `PARCEL_SILENT_AFTER_S`.
//!
//! Each file in worker/sql that needs the rule repeats it, and a test compares the copies. The
//! audit lists the orders; metrics and alarms count them.

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
