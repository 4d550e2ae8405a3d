//! Metrics for CloudWatch. They are lines on standard output in CloudWatch's Embedded Metric
//! Format, and CloudWatch Logs turns them into metrics. So the worker makes no call and needs no
//! permission for them.
//!
//! There are two kinds:
//!
//! - The state of the whole system. All workers publish the same values, so use the statistic
//!   `Maximum`. A sum would grow with the number of workers.
//! - What this worker did since its last publication ([`Done`]). Use the statistic `Sum`, or a
//!   percentile of `OrderDuration`.
//!
//! CloudWatch charges for each metric and month, so their number is fixed: there is one dimension
//! with one value, and no metric for each product, customer or currency.

use crate::ops::system::{Lags, StuckCounts, System};
use orders::OrderStatus;
use platform::{metrics::list, temporal::Backlog};
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

const NAMESPACE: &str = "OrderFlow";
/// All metrics. `infra/costs` reads this list.
#[cfg(test)]
const PUBLISHED: [&str; 15] = [
    "EventsLag",
    "FailingRows",
    "GatewayFailures",
    "NoticesLag",
    "OrderDuration",
    "OrdersCancelled",
    "OrdersCompleted",
    "OrdersFailed",
    "OrdersStuck",
    "ProjectionLag",
    "StockOuts",
    "StuckCompensations",
    "TaskQueueBacklog",
    "TaskQueueBacklogAge",
    "WithdrawnReleases",
];
/// The only dimension of the metrics.
const DIMENSION: &str = "Stack";
/// The largest number of values of one metric in one line.
const MAX_VALUES: usize = 100;
/// The largest number of durations that are kept between two publications. Further ones are left
/// out.
const MAX_DURATIONS: usize = 10_000;
/// The time limit for Temporal and Postgres to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What was published of what this worker does; `None` if nothing is published.
static PUBLISHED_SO_FAR: Mutex<Option<Published>> = Mutex::new(None);

struct Published {
    until: Done,
    /// The durations in ms of the orders that were completed since then.
    durations: Vec<u64>,
}

/// From now on, what this worker does is published.
pub(crate) fn begin() {
    *published_so_far() = Some(Published { until: Done::until_now(), durations: Vec::new() });
}

fn published_so_far() -> MutexGuard<'static, Option<Published>> {
    PUBLISHED_SO_FAR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records an order that has ended.
pub(crate) fn record_end(status: OrderStatus, age: Duration) {
    if status == OrderStatus::Completed
        && let Some(published) = published_so_far().as_mut()
        && published.durations.len() < MAX_DURATIONS
    {
        published.durations.push(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    }
}

/// Publishes the metrics forever, under the stack's name. `is_withdrawn` says whether a version of
/// the workers was withdrawn.
pub(crate) async fn publish(stack: String, period: Duration, system: System, is_withdrawn: watch::Receiver<bool>) {
    begin();
    loop {
        sleep(period).await;
        let is_withdrawn = *is_withdrawn.borrow();
        publish_now(&stack, &system, is_withdrawn).await;
    }
}

/// Publishes all metrics once.
pub(crate) async fn publish_now(stack: &str, system: &System, is_withdrawn: bool) {
    let (backlog, stuck, failing, lags) = tokio::join!(
        answer_in_time(system.read_backlog()),
        answer_in_time(async { system.count_stuck().await.map(Some) }),
        answer_in_time(async { system.count_failing_rows().await.map(Some) }),
        answer_in_time(async { system.read_lags().await.map(Some) }),
    );
    let mut values = metric_values(backlog, stuck, failing, lags, is_withdrawn);
    let (done, durations) = take_done().unwrap_or_default();
    values.extend(done);
    print(stack, &values);
    print_durations(stack, &durations);
}

/// Publishes what this worker has done since the last time, if it has done anything. For a worker
/// that may not run on.
pub(crate) fn publish_done(stack: &str) {
    let Some((done, durations)) = take_done() else { return };
    if done.iter().any(|(_, _, value)| *value != 0) {
        print(stack, &done);
    }
    print_durations(stack, &durations);
}

/// Takes what this worker has done since the last call, and how long its completed orders took.
fn take_done() -> Option<(Vec<Metric>, Vec<u64>)> {
    let mut so_far = published_so_far();
    let Published { until, durations } = so_far.as_mut()?;
    let now = Done::until_now();
    let done = now.since(until).collect();
    *until = now;
    Some((done, mem::take(durations)))
}

fn print_durations(stack: &str, durations: &[u64]) {
    for durations in durations.chunks(MAX_VALUES) {
        print(stack, &[order_durations(durations)]);
    }
}

fn print(stack: &str, values: &[Metric]) {
    if let Err(error) = writeln!(io::stdout(), "{}", emf_line(stack, OffsetDateTime::now_utc(), values)) {
        tracing::warn!(%error, "metrics cannot be published");
    }
}

#[expect(clippy::cast_precision_loss, clippy::float_arithmetic, reason = "seconds for a graph")]
fn order_durations(millis: &[u64]) -> Metric {
    let seconds: Vec<f64> = millis.iter().map(|millis| *millis as f64 / 1e3).collect();
    ("OrderDuration", "Seconds", seconds.into())
}

/// What this worker has done since its start: the name of each metric, and its total.
struct Done([(&'static str, u64); 5]);

impl Done {
    fn until_now() -> Self {
        let ended = |status: OrderStatus| list::ORDERS_ENDED.total(&[status.as_str()]);
        let calls = list::GATEWAYS.iter().flat_map(|gateway| list::GATEWAY_CALLS.iter().map(move |call| (gateway, call)));
        let failures: f64 = calls.map(|(gateway, call)| list::GATEWAY_REQUESTS.total(&[gateway, call, "failed"])).sum();
        let stock_outs: f64 = ["offered", "refused"].map(|result| list::STOCK_OUTS.total(&[result])).iter().sum();
        Self([
            ("OrdersCompleted", count(ended(OrderStatus::Completed))),
            ("OrdersFailed", count(ended(OrderStatus::Failed))),
            ("OrdersCancelled", count(ended(OrderStatus::Cancelled))),
            ("StockOuts", count(stock_outs)),
            ("GatewayFailures", count(failures)),
        ])
    }

    /// What was done after `before`.
    fn since(&self, before: &Self) -> impl Iterator<Item = Metric> {
        self.0.iter().zip(before.0).map(|((name, now), (_, then))| (*name, "Count", (now - then).into()))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, which the metrics keep as a float")]
fn count(total: f64) -> u64 {
    total as u64
}

/// Returns the answer, or `None` if there is none in time. A metric without a value is left out, so
/// that its alarm sees that it is missing.
async fn answer_in_time<T>(question: impl Future<Output = anyhow::Result<Option<T>>>) -> Option<T> {
    match timeout(ANSWER_TIMEOUT, question).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::warn!(error = format!("{error:#}"), "a metric is missing");
            None
        }
        Err(_) => {
            tracing::warn!(error = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()), "a metric is missing");
            None
        }
    }
}

/// Name, unit, and value or values.
type Metric = (&'static str, &'static str, Value);

fn metric_values(
    backlog: Option<Backlog>,
    stuck: Option<StuckCounts>,
    failing: Option<u64>,
    lags: Option<Lags>,
    is_withdrawn: bool,
) -> Vec<Metric> {
    let backlog =
        backlog.map(|backlog| [("TaskQueueBacklog", "Count", backlog.tasks), ("TaskQueueBacklogAge", "Seconds", backlog.age.as_secs())]);
    let stuck = stuck.map(|stuck| [("OrdersStuck", "Count", stuck.orders), ("StuckCompensations", "Count", stuck.compensations)]);
    let failing = failing.map(|rows| ("FailingRows", "Count", rows));
    let projection = lags.map(|lags| ("ProjectionLag", "Seconds", lags.projection));
    let lags = lags.map(|lags| [("EventsLag", "Seconds", lags.events), ("NoticesLag", "Seconds", lags.notices)]);
    let withdrawn = ("WithdrawnReleases", "Count", u64::from(is_withdrawn));
    let state = [backlog, stuck, lags].into_iter().flatten().flatten().chain(projection).chain(failing).chain([withdrawn]);
    state.map(|(name, unit, value)| (name, unit, value.into())).collect()
}

fn emf_line(stack: &str, at: OffsetDateTime, values: &[Metric]) -> Value {
    let metrics: Vec<Value> = values.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": at.unix_timestamp_nanos() / 1_000_000,
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics }],
        },
        DIMENSION: stack,
    });
    for (name, _, value) in values {
        line[*name] = value.clone();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_line_is_what_cloudwatch_reads() {
        let backlog = Backlog { tasks: 12, age: Duration::from_millis(3_700), is_polled: true };
        let values = metric_values(
            Some(backlog),
            Some(StuckCounts { orders: 2, compensations: 1 }),
            Some(3),
            Some(Lags { events: 4, notices: 5, projection: 6 }),
            true,
        );
        let text = emf_line("shop-prod", datetime!(2026-11-21 09:00:00.5 UTC), &values).to_string();
        assert!(!text.contains('\n'));
        let expected = json!({
            "_aws": {
                "Timestamp": 1_795_251_600_500_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "OrderFlow",
                    "Dimensions": [["Stack"]],
                    "Metrics": [
                        { "Name": "TaskQueueBacklog", "Unit": "Count" },
                        { "Name": "TaskQueueBacklogAge", "Unit": "Seconds" },
                        { "Name": "OrdersStuck", "Unit": "Count" },
                        { "Name": "StuckCompensations", "Unit": "Count" },
                        { "Name": "EventsLag", "Unit": "Seconds" },
                        { "Name": "NoticesLag", "Unit": "Seconds" },
                        { "Name": "ProjectionLag", "Unit": "Seconds" },
                        { "Name": "FailingRows", "Unit": "Count" },
                        { "Name": "WithdrawnReleases", "Unit": "Count" },
                    ],
                }],
            },
            "Stack": "shop-prod",
            "TaskQueueBacklog": 12,
            "TaskQueueBacklogAge": 3,
            "OrdersStuck": 2,
            "StuckCompensations": 1,
            "EventsLag": 4,
            "NoticesLag": 5,
            "ProjectionLag": 6,
            "FailingRows": 3,
            "WithdrawnReleases": 1,
        });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }

    #[test]
    fn the_list_is_complete() {
        let state = metric_values(Some(Backlog::default()), Some(StuckCounts::default()), Some(0), Some(Lags::default()), false);
        let (done, before) = (Done::until_now(), Done::until_now());
        let all = state.into_iter().chain(done.since(&before)).chain([order_durations(&[1])]);
        let mut names: Vec<&str> = all.map(|(name, ..)| name).collect();
        names.sort_unstable();
        assert_eq!(names, PUBLISHED);
    }

    /// The alarms, the scaling and the dashboard in `infra` read only what is published.
    #[test]
    fn what_the_templates_read_is_published() {
        let mut read = Vec::new();
        for file in ["observability.yaml", "worker.yaml"] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra").join(file);
            let text = std::fs::read_to_string(path).unwrap();
            let name = |rest: &str| rest.split(|char: char| !char.is_ascii_alphanumeric()).next().unwrap().to_owned();
            let alarms = text.split("Namespace: OrderFlow").skip(1).filter_map(|rest| rest.split("MetricName: ").nth(1));
            read.extend(alarms.map(name));
            for widget in text.split("[\"OrderFlow\", \"").skip(1).filter_map(|rest| rest.split("]]}}").next()) {
                read.push(name(widget));
                read.extend(widget.split("[\".\", \"").skip(1).map(name));
            }
        }
        assert!(read.len() > 20, "only {read:?} found");
        let unknown: Vec<_> = read.iter().filter(|name| !PUBLISHED.contains(&name.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?} are not published");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let names: Vec<&str> =
            metric_values(None, Some(StuckCounts::default()), None, None, false).iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, ["OrdersStuck", "StuckCompensations", "WithdrawnReleases"]);
    }

    #[test]
    fn what_was_done_is_published_once() {
        let before = Done([("OrdersCompleted", 3), ("OrdersFailed", 0), ("OrdersCancelled", 1), ("StockOuts", 2), ("GatewayFailures", 0)]);
        let now = Done([("OrdersCompleted", 10), ("OrdersFailed", 0), ("OrdersCancelled", 1), ("StockOuts", 3), ("GatewayFailures", 0)]);
        let done: Vec<u64> = now.since(&before).filter_map(|(.., value)| value.as_u64()).collect();
        assert_eq!(done, [7, 0, 0, 1, 0]);
        let (name, unit, values) = order_durations(&[250, 5_000]);
        assert_eq!((name, unit, values), ("OrderDuration", "Seconds", json!([0.25, 5.0])));
    }
}
