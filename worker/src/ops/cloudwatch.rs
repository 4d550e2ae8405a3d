//! Metrics for CloudWatch. They are lines on standard output in CloudWatch's Embedded Metric
//! Format, and CloudWatch Logs turns them into metrics. So the worker makes no call and needs no
//! permission for them.
//!
//! Each worker publishes the state of the whole system, and all workers publish the same values. So
//! use the statistic `Maximum`. A sum would grow with the number of workers.

use crate::ops::system::{Lags, StuckCounts, System};
use platform::temporal::Backlog;
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

const NAMESPACE: &str = "OrderFlow";
/// The only dimension of the metrics.
const DIMENSION: &str = "Stack";
/// The time limit for Temporal and Postgres to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes the metrics forever, under the stack's name. `is_withdrawn` says whether a version of
/// the workers was withdrawn.
pub(crate) async fn publish(stack: String, period: Duration, system: System, is_withdrawn: watch::Receiver<bool>) {
    loop {
        sleep(period).await;
        let is_withdrawn = *is_withdrawn.borrow();
        publish_now(&stack, &system, is_withdrawn).await;
    }
}

/// Publishes the metrics once.
pub(crate) async fn publish_now(stack: &str, system: &System, is_withdrawn: bool) {
    let (backlog, stuck, failing, lags) = tokio::join!(
        answer_in_time(system.read_backlog()),
        answer_in_time(async { system.count_stuck().await.map(Some) }),
        answer_in_time(async { system.count_failing_rows().await.map(Some) }),
        answer_in_time(async { system.read_lags().await.map(Some) }),
    );
    let values = metric_values(backlog, stuck, failing, lags, is_withdrawn);
    if let Err(error) = writeln!(io::stdout(), "{}", emf_line(stack, OffsetDateTime::now_utc(), &values)) {
        tracing::warn!(%error, "metrics cannot be published");
    }
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

/// Name, unit and value.
type Metric = (&'static str, &'static str, u64);

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
    [backlog, stuck, lags].into_iter().flatten().flatten().chain(projection).chain(failing).chain([withdrawn]).collect()
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
        line[*name] = (*value).into();
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
    fn what_is_not_known_is_left_out() {
        let names: Vec<&str> =
            metric_values(None, Some(StuckCounts::default()), None, None, false).iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, ["OrdersStuck", "StuckCompensations", "WithdrawnReleases"]);
    }
}
