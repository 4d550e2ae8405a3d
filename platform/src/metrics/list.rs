//! Every metric of OrderFlow. After a change, run `make contract`, which writes `docs/metrics.md`.

use super::{
    Counter, Definition, Gauge, Histogram, Label, Metric, Program,
    Program::{Api, Each, Worker},
    Values::{Bounded, Listed},
};

/// For calls that answer at once: requests to the API, and calls to other systems.
const CALL: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// For orders, from a tenth of a second to two weeks: a delivery takes days.
const ORDER: &[f64] =
    &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0, 259_200.0, 604_800.0, 1_209_600.0];

const fn listed(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values: Listed(values) }
}

const fn bounded(name: &'static str, by: &'static str) -> Label {
    Label { name, values: Bounded(by) }
}

const fn counter(by: Program, name: &'static str, help: &'static str, labels: &'static [Label]) -> Counter {
    Counter::new(Definition::new(by, name, help, labels))
}

const fn gauge(by: Program, name: &'static str, help: &'static str, labels: &'static [Label]) -> Gauge {
    Gauge::new(Definition::new(by, name, help, labels))
}

const fn histogram(buckets: &'static [f64], by: Program, name: &'static str, help: &'static str, labels: &'static [Label]) -> Histogram {
    Histogram::new(buckets, Definition::new(by, name, help, labels))
}

const ROUTE: &str = "the routes of functions/openapi.json, and `(none)` for the page and all other addresses";
const METHOD: Label = listed("method", &["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]);
const CURRENCY: Label = bounded("currency", "the currencies of the catalogue");
const ACTIVITY: Label = listed(
    "activity",
    &[
        "AmendOrder",
        "CancelOrder",
        "CheckInventory",
        "CreateOrder",
        "ProcessPayment",
        "ReconcilePayment",
        "RefundPayment",
        "RestockProduct",
        "ResumeOrder",
        "ReviewOrder",
        "SendNotification",
        "ShipOrder",
        "TrackOrder",
    ],
);
pub const GATEWAYS: &[&str] = &["sandbox", "stripe"];
pub const GATEWAY_CALLS: &[&str] = &["authorize", "capture", "look_up", "refund", "reverse", "statement"];
const GATEWAY: Label = listed("gateway", GATEWAYS);
const GATEWAY_CALL: Label = listed("call", GATEWAY_CALLS);
const CARRIER: Label = listed("carrier", &["sandbox"]);
const CARRIER_CALL: Label = listed("call", &["book", "cancel", "track"]);
/// `refused` is an answer; `failed` is none.
const CALL_OUTCOME: Label = listed("outcome", &["failed", "ok", "refused"]);

/// The statuses that an order reaches after its acceptance.
pub const REACHED_STATUSES: &[&str] =
    &["ACTION_REQUIRED", "CANCELLED", "COMPLETED", "DELIVERED", "FAILED", "IN_REVIEW", "PAID", "RESERVED", "SHIPPED"];

/// The dependencies that the worker reads its gauges from.
pub const POSTGRES: &str = "postgres";
pub const TEMPORAL: &str = "temporal";

// The API.

pub static HTTP_REQUESTS: Counter = counter(
    Api,
    "orderflow_http_requests_total",
    "Complete requests that were answered, by route and class of the status",
    &[METHOD, bounded("route", ROUTE), listed("status", &["2xx", "3xx", "4xx", "5xx"])],
);
pub static HTTP_REQUEST_DURATION: Histogram = histogram(
    CALL,
    Api,
    "orderflow_http_request_duration_seconds",
    "Time from the head of a request to its answer",
    &[METHOD, bounded("route", ROUTE)],
);
pub static QUEUE_MESSAGES: Gauge = gauge(
    Api,
    "orderflow_queue_messages",
    "Messages in an SQS queue, by SQS's approximate count; dead: in its dead-letter queue",
    &[listed("queue", &["intake", "notice-feedback"]), listed("state", &["dead", "in_flight", "waiting"])],
);

// Orders.

pub static ORDERS_ENDED: Counter = counter(
    Worker,
    "orderflow_orders_ended_total",
    "Orders that reached a final status",
    &[listed("status", &["CANCELLED", "COMPLETED", "FAILED"])],
);
pub static ORDER_STATUS_DURATION: Histogram = histogram(
    ORDER,
    Worker,
    "orderflow_order_status_duration_seconds",
    "Time from the acceptance of an order until it reached this status",
    &[listed("status", REACHED_STATUSES)],
);
pub static ORDER_REFUSALS: Counter = counter(
    Worker,
    "orderflow_order_refusals_total",
    "Steps that were refused for good, by reason",
    &[listed("reason", &["InvalidOrder", "NotApproved", "NotDeliverable", "OutOfStock", "PaymentDeclined", "PaymentUnanswered"])],
);
pub static STOCK_OUTS: Counter = counter(
    Worker,
    "orderflow_stock_outs_total",
    "Orders for which the stock was too small; offered: a part was available, and the customer decides",
    &[listed("result", &["offered", "refused"])],
);
pub static LIMITS_HIT: Counter = counter(
    Each,
    "orderflow_limits_hit_total",
    "Limits that were reached: a request answered with 429 (`requests`), an order sent to review (`review`), an attempt to \
     reserve for a customer with too many unpaid orders (`unpaid_orders`)",
    &[listed("limit", &["requests", "review", "unpaid_orders"])],
);
pub static ORDERS_RESUMED: Counter =
    counter(Worker, "orderflow_orders_resumed_total", "Orders whose workflow was gone and was started again by this worker", &[]);
pub static ORDERS_OPEN: Gauge = gauge(
    Worker,
    "orderflow_orders_open",
    "Orders that are not final",
    &[listed("status", &["ACTION_REQUIRED", "DELIVERED", "IN_REVIEW", "PAID", "PENDING", "RESERVED", "SHIPPED"])],
);
pub static ORDERS_STUCK: Gauge = gauge(Worker, "orderflow_orders_stuck", "Open orders whose status has not changed for too long", &[]);
pub static COMPENSATIONS_STUCK: Gauge = gauge(Worker, "orderflow_compensations_stuck", "Compensations that have taken too long", &[]);
pub static FAILING_ROWS: Gauge = gauge(
    Worker,
    "orderflow_failing_rows",
    "Rows that fail by themselves, by the loop that they fail in",
    &[listed("loop", &["EVENTS", "EXPIRY", "FINDINGS", "LOST_WORKFLOWS", "PROJECTION_ORDERS", "PROJECTION_PRODUCTS", "REFUNDS"])],
);

// Money.

pub static MONEY_CAPTURED: Counter = Counter::new(
    Definition::new(Worker, "orderflow_money_captured_total", "Captured amounts, in major units of the currency", &[CURRENCY])
        .only_if("an amount was captured"),
);
pub static MONEY_REFUNDED: Counter = Counter::new(
    Definition::new(Worker, "orderflow_money_refunded_total", "Refunded amounts, in major units of the currency", &[CURRENCY])
        .only_if("an amount was refunded"),
);

// Calls to other systems.

pub static GATEWAY_REQUESTS: Counter = counter(
    Worker,
    "orderflow_gateway_requests_total",
    "Calls to the payment gateway; refused: a final or temporary refusal, failed: no answer in time, or an error",
    &[GATEWAY, GATEWAY_CALL, CALL_OUTCOME],
);
pub static GATEWAY_REQUEST_DURATION: Histogram = histogram(
    CALL,
    Worker,
    "orderflow_gateway_request_duration_seconds",
    "Duration of calls to the payment gateway, those without an answer included",
    &[GATEWAY, GATEWAY_CALL],
);
pub static CARRIER_REQUESTS: Counter = counter(
    Worker,
    "orderflow_carrier_requests_total",
    "Calls to the carrier; refused: a final refusal, failed: no answer in time, or an error",
    &[CARRIER, CARRIER_CALL, CALL_OUTCOME],
);
pub static CARRIER_REQUEST_DURATION: Histogram = Histogram::new(
    CALL,
    Definition::new(
        Worker,
        "orderflow_carrier_request_duration_seconds",
        "Duration of calls to the carrier, those without an answer included",
        &[CARRIER, CARRIER_CALL],
    )
    .only_if("orders are shipped (CARRIER)"),
);

// Steps and queues.

pub static ACTIVITY_ATTEMPTS: Counter = counter(
    Worker,
    "orderflow_activity_attempts_total",
    "Attempts at activities that have ended; refused: for good, failed: another attempt follows",
    &[ACTIVITY, CALL_OUTCOME],
);
pub static ACTIVITY_DURATION: Histogram =
    histogram(CALL, Worker, "orderflow_activity_duration_seconds", "Duration of attempts at activities", &[ACTIVITY]);
pub static TASK_QUEUE_BACKLOG: Gauge = gauge(Worker, "orderflow_task_queue_backlog", "Tasks that wait in the task queue for a worker", &[]);
pub static TASK_QUEUE_BACKLOG_AGE: Gauge =
    gauge(Worker, "orderflow_task_queue_backlog_age_seconds", "How long the oldest task in the task queue has been waiting", &[]);
pub static PROJECTIONS_BEHIND: Gauge =
    gauge(Worker, "orderflow_projections_behind", "Orders and products whose last change the read model lacks", &[]);
pub static PROJECTION_LAG: Gauge =
    gauge(Worker, "orderflow_projection_lag_seconds", "How long the oldest change has been waiting to be shown in the read model", &[]);
pub static EVENTS_LAG: Gauge = gauge(
    Worker,
    "orderflow_events_lag_seconds",
    "How long the oldest event in the outbox has been waiting to be published; 0 without a topic",
    &[],
);

// Messages to customers.

pub static NOTIFICATIONS_LAG: Gauge =
    gauge(Worker, "orderflow_notifications_lag_seconds", "How long the oldest notification has been waiting to be sent", &[]);
pub static NOTIFICATIONS: Gauge = gauge(
    Worker,
    "orderflow_notifications",
    "Notifications on record that wait, or that were given up",
    &[listed("state", &["FAILED", "PENDING"])],
);
pub static NOTIFICATION_ATTEMPTS: Counter = counter(
    Worker,
    "orderflow_notification_attempts_total",
    "Attempts to send a notification, by the state that it then had; PENDING: it is tried again",
    &[listed("channel", &["EMAIL", "SMS"]), listed("state", &["FAILED", "PENDING", "SENT", "SUPPRESSED"])],
);
pub static NOTIFICATION_FEEDBACK: Counter = counter(
    Worker,
    "orderflow_notification_feedback_total",
    "Sent e-mails that the provider later reported about, by the state that they then had",
    &[listed("state", &["BOUNCED", "COMPLAINED", "FAILED"])],
);
pub static NOTIFICATIONS_SUPPRESSED: Counter = counter(
    Worker,
    "orderflow_notifications_suppressed_total",
    "Notifications that were not sent on purpose: a limit was reached, the destination is blocked, or it was out of date",
    &[listed("reason", &["CUSTOMER", "DESTINATION", "OUT_OF_DATE", "RECIPIENT", "UNPAID_CUSTOMER", "UNPAID_RECIPIENT", "UNPAID_SMS"])],
);

// The programs and what they depend on.

pub static DEPENDENCY_UP: Gauge = gauge(
    Worker,
    "orderflow_dependency_up",
    "1 if the dependency answered the worker in time for this answer; otherwise 0, and the gauges that are read from it are absent",
    &[listed("dependency", &[POSTGRES, TEMPORAL])],
);
pub static POSTGRES_CONNECTIONS: Gauge = gauge(
    Worker,
    "orderflow_postgres_pool_connections",
    "Open connections of the worker's pool to Postgres",
    &[listed("state", &["idle", "in_use"])],
);
pub static POSTGRES_CONNECTIONS_MAX: Gauge =
    gauge(Worker, "orderflow_postgres_pool_connections_max", "The size of the pool (POSTGRES_POOL_SIZE)", &[]);
pub static POSTGRES_POOL_WAITING: Gauge =
    gauge(Worker, "orderflow_postgres_pool_waiting", "Callers that wait for a connection of the pool", &[]);
pub static BUILD_INFO: Gauge = gauge(
    Each,
    "orderflow_build_info",
    "Always 1; the labels say what runs",
    &[
        listed("program", &["api", "worker"]),
        bounded("version", "the versions that run"),
        bounded("release", "the values of WORKER_VERSION; `none` without one"),
    ],
);

/// All of them, in the sequence of `docs/metrics.md`.
pub static ALL: &[Metric] = &[
    Metric::Counter(&HTTP_REQUESTS),
    Metric::Histogram(&HTTP_REQUEST_DURATION),
    Metric::Gauge(&QUEUE_MESSAGES),
    Metric::Counter(&ORDERS_ENDED),
    Metric::Histogram(&ORDER_STATUS_DURATION),
    Metric::Counter(&ORDER_REFUSALS),
    Metric::Counter(&STOCK_OUTS),
    Metric::Counter(&LIMITS_HIT),
    Metric::Counter(&ORDERS_RESUMED),
    Metric::Gauge(&ORDERS_OPEN),
    Metric::Gauge(&ORDERS_STUCK),
    Metric::Gauge(&COMPENSATIONS_STUCK),
    Metric::Gauge(&FAILING_ROWS),
    Metric::Counter(&MONEY_CAPTURED),
    Metric::Counter(&MONEY_REFUNDED),
    Metric::Counter(&GATEWAY_REQUESTS),
    Metric::Histogram(&GATEWAY_REQUEST_DURATION),
    Metric::Counter(&CARRIER_REQUESTS),
    Metric::Histogram(&CARRIER_REQUEST_DURATION),
    Metric::Counter(&ACTIVITY_ATTEMPTS),
    Metric::Histogram(&ACTIVITY_DURATION),
    Metric::Gauge(&TASK_QUEUE_BACKLOG),
    Metric::Gauge(&TASK_QUEUE_BACKLOG_AGE),
    Metric::Gauge(&PROJECTIONS_BEHIND),
    Metric::Gauge(&PROJECTION_LAG),
    Metric::Gauge(&EVENTS_LAG),
    Metric::Gauge(&NOTIFICATIONS_LAG),
    Metric::Gauge(&NOTIFICATIONS),
    Metric::Counter(&NOTIFICATION_ATTEMPTS),
    Metric::Counter(&NOTIFICATION_FEEDBACK),
    Metric::Counter(&NOTIFICATIONS_SUPPRESSED),
    Metric::Gauge(&DEPENDENCY_UP),
    Metric::Gauge(&POSTGRES_CONNECTIONS),
    Metric::Gauge(&POSTGRES_CONNECTIONS_MAX),
    Metric::Gauge(&POSTGRES_POOL_WAITING),
    Metric::Gauge(&BUILD_INFO),
];

#[cfg(test)]
mod tests {
    use super::*;
    use orders::{OrderStatus, activities::Refusal};

    fn listed_values(label: &Label) -> &'static [&'static str] {
        let Listed(values) = label.values else { panic!("{} has no list", label.name) };
        values
    }

    fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_lists_are_those_of_the_code() {
        let statuses =
            |is: fn(&OrderStatus) -> bool| sorted(OrderStatus::ALL.iter().filter(|status| is(status)).map(|status| status.as_str()));
        assert_eq!(statuses(|status| *status != OrderStatus::Pending), REACHED_STATUSES);
        assert_eq!(statuses(|status| status.is_final()), listed_values(&ORDERS_ENDED.definition.labels[0]));
        assert_eq!(statuses(|status| !status.is_final()), listed_values(&ORDERS_OPEN.definition.labels[0]));
        assert_eq!(sorted(Refusal::ALL.iter().map(|refusal| refusal.as_str())), listed_values(&ORDER_REFUSALS.definition.labels[0]));
    }
}
