//! The one rule for what is stuck: an order that has been open and has not changed, though it waits for nobody, or a compensation that has been
//! tried, for too long; and one of whose parcel nothing new was heard for very long. Orders that wait for a decision have a time limit of their own. The
//! rule stands in each of worker/sql that needs it, and a test compares them. The audit names the orders, metrics and alarms count them.

use crate::{config, db, sql::system as sql};
use deadpool_postgres::Pool;
use std::time::Duration;

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
        let client = db::connection(pool).await?;
        let (stuck_after, parcel_silent_after) = (seconds(limits.stuck_after), seconds(limits.parcel_silent_after));
        let stuck = sql::count_stuck_orders(&client, stuck_after, parcel_silent_after).await?;
        let number = |count| u64::try_from(count).unwrap_or_default();
        Ok(Self { orders: number(stuck.orders), compensations: number(stuck.compensations) })
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

/// Open orders older than `age`, oldest first.
///
/// # Errors
/// When Postgres does not answer.
pub(crate) async fn open_orders(pool: &Pool, age: Duration, limits: &config::Stuck) -> anyhow::Result<Vec<OpenOrder>> {
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
