//! The worker's metrics: what its code counts, and the gauges that are read for each answer of
//! `/metrics`. [`platform::metrics::list`] defines them.

use crate::{db, ops::cloudwatch, ops::failing, ops::system::System, order::TransitionResult, sql::system as sql};
use orders::{Currency, OrderStatus, money::minor_digits};
use platform::metrics::{Gauge, Readings, build_info, list};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The time limit for one answer, and for all answers of Postgres together. Prometheus waits for ten
/// seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
const POSTGRES_TIMEOUT: Duration = Duration::from_secs(5);

/// Counts an attempt at an activity that has ended, and records its duration.
pub(crate) fn count_attempt(activity: &str, outcome: &str, took: Duration) {
    list::ACTIVITY_ATTEMPTS.increment(&[activity, outcome]);
    list::ACTIVITY_DURATION.observe(took, &[activity]);
}

/// Counts an order that this transition has brought to another status, with the order's age. Does
/// nothing if the status has not changed.
pub(crate) fn count_transition(transition: TransitionResult) {
    let TransitionResult { status, moved_after: Some(age) } = transition else { return };
    list::ORDER_STATUS_DURATION.observe(age, &[status.as_str()]);
    match status {
        OrderStatus::ActionRequired => list::STOCK_OUTS.increment(&["offered"]),
        OrderStatus::InReview => list::LIMITS_HIT.increment(&["review"]),
        _ => {}
    }
    if status.is_final() {
        list::ORDERS_ENDED.increment(&[status.as_str()]);
        cloudwatch::record_end(status, age);
    }
}

/// Counts an amount of minor units as captured. Like [`count_refunded`], it is called when the
/// amount is recorded. If that transaction is then not committed, it is counted again with the next
/// attempt.
pub(crate) fn count_captured(amount_minor: i64, currency: Currency) {
    list::MONEY_CAPTURED.add(major_units(amount_minor, currency), &[currency.code()]);
}

/// Counts an amount of minor units as refunded.
pub(crate) fn count_refunded(amount_minor: i64, currency: Currency) {
    if amount_minor > 0 {
        list::MONEY_REFUNDED.add(major_units(amount_minor, currency), &[currency.code()]);
    }
}

/// An amount for people to read off a graph, not to calculate with.
#[expect(clippy::cast_precision_loss, clippy::float_arithmetic, reason = "a graph needs no exact amounts")]
fn major_units(amount_minor: i64, currency: Currency) -> f64 {
    amount_minor as f64 / 10_f64.powi(minor_digits(currency).try_into().unwrap_or(2))
}

/// Reads all gauges. Those that cannot be read in time are missing.
pub(crate) async fn read(system: &System, release: Option<&str>) -> Readings {
    let mut readings = build_info("worker", release);
    let (temporal, postgres) = tokio::join!(read_temporal(system), read_postgres(system));
    readings.extend(temporal);
    readings.extend(postgres);
    readings
}

async fn read_temporal(system: &System) -> Readings {
    let mut readings = Readings::default();
    let backlog = in_time(Instant::now() + READ_TIMEOUT, "the backlog", system.read_backlog()).await.flatten();
    readings.count(&list::DEPENDENCY_UP, &[list::TEMPORAL], backlog.is_some().into());
    if let Some(backlog) = backlog {
        readings.count(&list::TASK_QUEUE_BACKLOG, &[], backlog.tasks);
        readings.set(&list::TASK_QUEUE_BACKLOG_AGE, &[], backlog.age.as_secs_f64());
    }
    readings
}

/// Reads with one connection at a time, so that the orders keep the others.
async fn read_postgres(system: &System) -> Readings {
    let mut readings = Readings::default();
    read_pool(system, &mut readings);
    let deadline = Instant::now() + POSTGRES_TIMEOUT;
    let is_writable = in_time(deadline, "whether Postgres is writable", system.is_writable()).await;
    readings.count(&list::DEPENDENCY_UP, &[list::POSTGRES], (is_writable == Some(true)).into());
    if is_writable.is_none() {
        return readings;
    }
    if let Some(lags) = in_time(deadline, "lags", system.read_lags()).await {
        readings.count(&list::PROJECTION_LAG, &[], lags.projection);
        readings.count(&list::EVENTS_LAG, &[], lags.events);
        readings.count(&list::NOTIFICATIONS_LAG, &[], lags.notices);
    }
    if let Some(stuck) = in_time(deadline, "stuck orders", system.count_stuck()).await {
        readings.count(&list::ORDERS_STUCK, &[], stuck.orders);
        readings.count(&list::COMPENSATIONS_STUCK, &[], stuck.compensations);
    }
    let failing = async { failing::count_by_loop(&db::connection(&system.pool).await?).await };
    for (loop_name, rows) in in_time(deadline, "failing rows", failing).await.into_iter().flatten() {
        readings.count(&list::FAILING_ROWS, &[&loop_name], rows);
    }
    let open = async { Ok(sql::count_open_orders(&db::connection(&system.pool).await?, &OrderStatus::open()).await?) };
    for open in in_time(deadline, "open orders", open).await.into_iter().flatten() {
        readings.count(&list::ORDERS_OPEN, &[&open.status], as_count(open.orders));
    }
    let backlogs = async { Ok(sql::count_backlogs(&db::connection(&system.pool).await?).await?) };
    if let Some(backlogs) = in_time(deadline, "backlogs", backlogs).await {
        readings.count(&list::PROJECTIONS_BEHIND, &[], as_count(backlogs.projections));
        readings.count(&list::NOTIFICATIONS, &["PENDING"], as_count(backlogs.notices_pending));
        readings.count(&list::NOTIFICATIONS, &["FAILED"], as_count(backlogs.notices_failed));
    }
    readings
}

fn read_pool(system: &System, readings: &mut Readings) {
    let pool = system.pool.status();
    let mut set =
        |gauge: &'static Gauge, values: &[&str], count: usize| readings.count(gauge, values, count.try_into().unwrap_or_default());
    // `available` is the number of idle connections.
    set(&list::POSTGRES_CONNECTIONS, &["idle"], pool.available);
    set(&list::POSTGRES_CONNECTIONS, &["in_use"], pool.size.saturating_sub(pool.available));
    set(&list::POSTGRES_CONNECTIONS_MAX, &[], pool.max_size);
    set(&list::POSTGRES_POOL_WAITING, &[], pool.waiting);
}

/// The answer, or `None` if there is none in time.
async fn in_time<T>(deadline: Instant, what: &str, question: impl Future<Output = anyhow::Result<T>>) -> Option<T> {
    let error = match timeout_at(deadline.min(Instant::now() + READ_TIMEOUT), question).await {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "no answer in time".to_owned(),
    };
    tracing::warn!(error, "{what} cannot be read for the metrics");
    None
}

fn as_count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_in_major_units() {
        let close = |amount: f64, expected: f64| assert!((amount - expected).abs() < 1e-9, "{amount}");
        close(major_units(129_999, Currency::USD), 1_299.99);
        close(major_units(500, Currency::JPY), 500.0);
    }

    #[test]
    fn every_loop_has_its_label() {
        let platform::metrics::Values::Listed(listed) = list::FAILING_ROWS.definition.labels[0].values else { panic!("no list") };
        let mut loops = failing::LOOPS.to_vec();
        loops.sort_unstable();
        assert_eq!(listed, loops);
    }
}
