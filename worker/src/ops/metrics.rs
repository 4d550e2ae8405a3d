//! The worker's own metrics, in addition to those of the SDK. All of them use the SDK's meter, so
//! that one exporter serves them all.

use crate::{db, ops::failing, ops::system::System, order::TransitionResult, sql::system as sql};
use std::{sync::Arc, time::Duration};
use temporalio_common::telemetry::metrics::{
    CoreMeter, Counter, Gauge, HistogramDuration, MetricKeyValue, MetricParameters, NewAttributes,
};

#[derive(Clone)]
pub(crate) struct Metrics {
    meter: Arc<dyn CoreMeter>,
    orders_ended: Counter,
    order_duration: HistogramDuration,
    orders_resumed: Counter,
    attempts: Counter,
    attempt_duration: HistogramDuration,
    orders_open: Gauge,
    projections_behind: Gauge,
    notices_pending: Gauge,
    notices_failed: Gauge,
    notices_suppressed: Counter,
    notices_lag: Gauge,
    events_lag: Gauge,
    orders_stuck: Gauge,
    compensations_stuck: Gauge,
    failing_rows: Gauge,
    backlog: Gauge,
    backlog_age: Gauge,
}

impl Metrics {
    pub(crate) fn new(meter: Arc<dyn CoreMeter>) -> Self {
        let named = |name: &'static str, description: &'static str| MetricParameters::builder().name(name).description(description).build();
        Self {
            orders_ended: meter.counter(named("orderflow_orders_ended", "Orders that reached a final status, by status")),
            order_duration: meter.histogram_duration(named("orderflow_order_duration", "Time from accepting an order to its final status")),
            orders_resumed: meter
                .counter(named("orderflow_orders_resumed", "Orders whose workflow was gone and was started again by this worker")),
            attempts: meter
                .counter(named("orderflow_activity_attempts", "Attempts at activities, by activity and outcome (ok, refused, failed)")),
            attempt_duration: meter.histogram_duration(named("orderflow_activity_duration", "Duration of attempts at activities")),
            orders_open: meter.gauge(named("orderflow_orders_open", "Orders that are not final, by status")),
            projections_behind: meter
                .gauge(named("orderflow_projections_behind", "Orders and products whose last change the read model lacks")),
            notices_pending: meter.gauge(named("orderflow_notifications_pending", "Notifications waiting to be delivered")),
            notices_failed: meter.gauge(named("orderflow_notifications_failed", "Notifications that were given up")),
            notices_suppressed: meter.counter(named(
                "orderflow_notifications_suppressed",
                "Notifications that were not sent, by reason (a limit, DESTINATION or OUT_OF_DATE)",
            )),
            events_lag: meter.gauge(named("orderflow_events_lag_seconds", "How long the oldest event has been waiting to be published")),
            notices_lag: meter.gauge(named("orderflow_notifications_lag_seconds", "How long the oldest notification has been waiting")),
            orders_stuck: meter.gauge(named("orderflow_orders_stuck", "Open orders whose status has not changed for too long")),
            compensations_stuck: meter.gauge(named("orderflow_compensations_stuck", "Compensations that have taken too long")),
            failing_rows: meter.gauge(named("orderflow_failing_rows", "Rows that fail by themselves, by the loop that they fail in")),
            backlog: meter.gauge(named("orderflow_task_queue_backlog", "Tasks that wait in the task queue for a worker")),
            backlog_age: meter
                .gauge(named("orderflow_task_queue_backlog_age_seconds", "How long the oldest task in the task queue has been waiting")),
            meter,
        }
    }

    /// Counts an attempt at an activity that has ended, and records its duration.
    pub(crate) fn count_attempt(&self, activity: &str, outcome: &str, took: Duration) {
        self.attempts.add(1, &self.attributes(&[("activity", activity), ("outcome", outcome)]));
        self.attempt_duration.record(took, &self.attributes(&[("activity", activity)]));
    }

    /// Counts an order that this transition has brought to its final status, and records the
    /// order's age. Does nothing for other transitions.
    pub(crate) fn count_ended_order(&self, transition: TransitionResult) {
        if let Some(age) = transition.moved_after.filter(|_| transition.status.is_final()) {
            let status = self.attributes(&[("status", transition.status.as_str())]);
            self.orders_ended.add(1, &status);
            self.order_duration.record(age, &status);
        }
    }

    /// Counts a notification that was not sent.
    pub(crate) fn count_suppressed(&self, reason: &str) {
        self.notices_suppressed.add(1, &self.attributes(&[("reason", reason)]));
    }

    /// Counts an order whose workflow was gone and was started again.
    pub(crate) fn count_resumed(&self) {
        self.orders_resumed.add(1, &self.attributes(&[]));
    }

    /// Reads the current backlog from Temporal. It is called for each request for the metrics.
    pub(crate) async fn observe_temporal(&self, system: &System) -> anyhow::Result<()> {
        if let Some(backlog) = system.read_backlog().await? {
            let all = self.attributes(&[]);
            self.backlog.record(backlog.tasks, &all);
            self.backlog_age.record(backlog.age.as_secs(), &all);
        }
        Ok(())
    }

    /// Reads the current counts and lags from Postgres. It is called for each request for the
    /// metrics.
    pub(crate) async fn observe_postgres(&self, system: &System) -> anyhow::Result<()> {
        let stuck = system.count_stuck().await?;
        let all = self.attributes(&[]);
        self.orders_stuck.record(stuck.orders, &all);
        self.compensations_stuck.record(stuck.compensations, &all);
        let client = db::connection(&system.pool).await?;
        for open in sql::count_open_orders(&client, &orders::OrderStatus::open()).await? {
            self.orders_open.record(as_count(open.orders), &self.attributes(&[("status", &open.status)]));
        }
        let backlogs = sql::count_backlogs(&client).await?;
        self.projections_behind.record(as_count(backlogs.projections), &all);
        self.notices_pending.record(as_count(backlogs.notices_pending), &all);
        self.notices_failed.record(as_count(backlogs.notices_failed), &all);
        for (loop_name, rows) in failing::count_by_loop(&client).await? {
            self.failing_rows.record(rows, &self.attributes(&[("loop", &loop_name)]));
        }
        drop(client);
        let lags = system.read_lags().await?;
        self.notices_lag.record(lags.notices, &all);
        self.events_lag.record(lags.events, &all);
        Ok(())
    }

    fn attributes(&self, pairs: &[(&'static str, &str)]) -> temporalio_common::telemetry::metrics::MetricAttributes {
        let pairs = pairs.iter().map(|(key, value)| MetricKeyValue::new(*key, (*value).to_owned()));
        self.meter.new_attributes(NewAttributes::from(pairs))
    }
}

fn as_count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}
