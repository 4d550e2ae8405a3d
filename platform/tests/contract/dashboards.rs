//! The dashboards. Change them here, and run `make contract`: it writes the JSON files in
//! `observability/dashboards`, which Grafana reads. JSON by hand would be a hundred lines for each
//! panel, almost all of them the same.
//!
//! Every worker reads the same gauges of the whole system, so `max` takes the value of any of them.

use crate::{
    grafana::{
        Dashboard,
        Kind::{Lines, Number, Stack},
        Panel,
    },
    is_up_to_date, project, promql, read,
};
use std::{collections::BTreeSet, fs};

const ORDERS: Dashboard = Dashboard {
    uid: "orderflow-orders",
    title: "OrderFlow: orders",
    about: "The business at a glance: how many orders come, how they end, and what they wait for.",
    rows: &[
        &[
            Panel::new(Number, "Completed in 24 h", "short", &[("", r#"sum(increase(orderflow_orders_ended_total{status="COMPLETED"}[24h]))"#)]),
            Panel::new(
                Number,
                "Failed, of all that ended in 1 h",
                "percentunit",
                &[(
                    "",
                    r#"sum(increase(orderflow_orders_ended_total{status="FAILED"}[1h])) / clamp_min(sum(increase(orderflow_orders_ended_total[1h])), 1)"#,
                )],
            )
            .alarmed(0.1, 0.3),
            Panel::new(Number, "Open", "short", &[("", "sum(max by (status) (orderflow_orders_open))")]),
            Panel::new(
                Number,
                "Wait for a decision",
                "short",
                &[("", r#"sum(max by (status) (orderflow_orders_open{status=~"ACTION_REQUIRED|IN_REVIEW"}))"#)],
            ),
            Panel::new(Number, "Stuck", "short", &[("", "max(orderflow_orders_stuck)")]).alarmed(1.0, 1.0).runbook("OrdersStuck"),
            Panel::new(Number, "Compensations stuck", "short", &[("", "max(orderflow_compensations_stuck)")])
                .alarmed(1.0, 1.0)
                .runbook("CompensationsStuck"),
        ],
        &[
            Panel::new(
                Lines,
                "Accepted and ended, per second",
                "short",
                &[
                    ("accepted", r#"sum(rate(orderflow_http_requests_total{method="POST", route="/api/orders", status="2xx"}[$__rate_interval]))"#),
                    ("{{status}}", "sum by (status) (rate(orderflow_orders_ended_total[$__rate_interval]))"),
                ],
            ),
            Panel::new(Stack, "Open orders, by status", "short", &[("{{status}}", "max by (status) (orderflow_orders_open)")]),
        ],
        &[
            Panel::new(
                Lines,
                "From acceptance to each status, 95th percentile",
                "s",
                &[(
                    "{{status}}",
                    "histogram_quantile(0.95, sum by (le, status) (rate(orderflow_order_status_duration_seconds_bucket[$__rate_interval])))",
                )],
            ),
            Panel::new(
                Stack,
                "Refused, by reason, per hour",
                "short",
                &[("{{reason}}", "sum by (reason) (increase(orderflow_order_refusals_total[1h]))")],
            ),
            Panel::new(
                Stack,
                "Stock-outs and limits, per hour",
                "short",
                &[
                    ("stock-out, {{result}}", "sum by (result) (increase(orderflow_stock_outs_total[1h]))"),
                    ("limit: {{limit}}", "sum by (limit) (increase(orderflow_limits_hit_total[1h]))"),
                ],
            ),
        ],
    ],
};

const PATH: Dashboard = Dashboard {
    uid: "orderflow-path",
    title: "OrderFlow: order path",
    about: "Rate, errors and duration of each step of an order, from the request to the carrier.",
    rows: &[
        &[
            Panel::new(
                Lines,
                "API: requests, by route",
                "reqps",
                &[("{{method}} {{route}}", "sum by (method, route) (rate(orderflow_http_requests_total[$__rate_interval])) > 0")],
            ),
            Panel::new(
                Lines,
                "API: answered with 5xx",
                "percentunit",
                &[(
                    "{{method}} {{route}}",
                    r#"sum by (method, route) (rate(orderflow_http_requests_total{status="5xx"}[$__rate_interval])) / (sum by (method, route) (rate(orderflow_http_requests_total[$__rate_interval])) > 0)"#,
                )],
            )
            .alarmed(0.001, 0.01)
            .runbook("AcceptingFails"),
            Panel::new(
                Lines,
                "API: duration, 99th percentile",
                "s",
                &[(
                    "{{method}} {{route}}",
                    "histogram_quantile(0.99, sum by (le, method, route) (rate(orderflow_http_request_duration_seconds_bucket[$__rate_interval])))",
                )],
            ),
        ],
        &[
            Panel::new(
                Lines,
                "Activities: attempts",
                "ops",
                &[("{{activity}}", "sum by (activity) (rate(orderflow_activity_attempts_total[$__rate_interval])) > 0")],
            ),
            Panel::new(
                Lines,
                "Activities: failed attempts",
                "ops",
                &[("{{activity}}", r#"sum by (activity) (rate(orderflow_activity_attempts_total{outcome="failed"}[$__rate_interval]))"#)],
            ),
            Panel::new(
                Lines,
                "Activities: duration, 95th percentile",
                "s",
                &[(
                    "{{activity}}",
                    "histogram_quantile(0.95, sum by (le, activity) (rate(orderflow_activity_duration_seconds_bucket[$__rate_interval])))",
                )],
            ),
        ],
        &[
            Panel::new(
                Lines,
                "Payment gateway: calls",
                "ops",
                &[("{{gateway}} {{call}}", "sum by (gateway, call) (rate(orderflow_gateway_requests_total[$__rate_interval])) > 0")],
            ),
            Panel::new(
                Lines,
                "Payment gateway: no answer",
                "percentunit",
                &[(
                    "{{gateway}}",
                    r#"sum by (gateway) (rate(orderflow_gateway_requests_total{outcome="failed"}[$__rate_interval])) / (sum by (gateway) (rate(orderflow_gateway_requests_total[$__rate_interval])) > 0)"#,
                )],
            )
            .alarmed(0.1, 0.5)
            .runbook("GatewayFailing"),
            Panel::new(
                Lines,
                "Payment gateway: duration, 95th percentile",
                "s",
                &[(
                    "{{gateway}} {{call}}",
                    "histogram_quantile(0.95, sum by (le, gateway, call) (rate(orderflow_gateway_request_duration_seconds_bucket[$__rate_interval])))",
                )],
            ),
        ],
        &[
            Panel::new(
                Lines,
                "Carrier: calls",
                "ops",
                &[("{{carrier}} {{call}}", "sum by (carrier, call) (rate(orderflow_carrier_requests_total[$__rate_interval])) > 0")],
            ),
            Panel::new(
                Lines,
                "Carrier: no answer",
                "percentunit",
                &[(
                    "{{carrier}}",
                    r#"sum by (carrier) (rate(orderflow_carrier_requests_total{outcome="failed"}[$__rate_interval])) / (sum by (carrier) (rate(orderflow_carrier_requests_total[$__rate_interval])) > 0)"#,
                )],
            )
            .alarmed(0.1, 0.5)
            .runbook("CarrierFailing"),
            Panel::new(
                Lines,
                "Carrier: duration, 95th percentile",
                "s",
                &[(
                    "{{carrier}} {{call}}",
                    "histogram_quantile(0.95, sum by (le, carrier, call) (rate(orderflow_carrier_request_duration_seconds_bucket[$__rate_interval])))",
                )],
            ),
        ],
    ],
};

const WORKERS: Dashboard = Dashboard {
    uid: "orderflow-workers",
    title: "OrderFlow: workers and Temporal",
    about: "Whether there are enough workers, and whether Temporal keeps up.",
    rows: &[
        &[
            Panel::new(Number, "Workers", "short", &[("", r#"sum(up{job="worker"})"#)]).runbook("WorkerDown"),
            Panel::new(
                Number,
                "Temporal is reached",
                "bool_yes_no",
                &[("", r#"max(orderflow_dependency_up{dependency="temporal"})"#)],
            )
            .runbook("TemporalDown"),
            Panel::new(Number, "Tasks that wait", "short", &[("", "max(orderflow_task_queue_backlog)")]),
            Panel::new(Number, "Oldest waiting task", "s", &[("", "max(orderflow_task_queue_backlog_age_seconds)")])
                .alarmed(10.0, 60.0)
                .runbook("TasksWait"),
            Panel::new(Number, "Releases", "short", &[("{{program}} {{version}} {{release}}", "max by (program, version, release) (orderflow_build_info)")]),
        ],
        &[
            Panel::new(
                Lines,
                "Slots in use, of all slots",
                "percentunit",
                &[(
                    "{{worker_type}}",
                    "sum by (worker_type) (temporal_worker_task_slots_used) / (sum by (worker_type) (temporal_worker_task_slots_used) + sum by (worker_type) (temporal_worker_task_slots_available))",
                )],
            )
            .alarmed(0.8, 1.0),
            Panel::new(
                Lines,
                "Workflow tasks: duration, 95th percentile",
                "s",
                &[(
                    "",
                    "histogram_quantile(0.95, sum by (le) (rate(temporal_workflow_task_execution_latency_seconds_bucket[$__rate_interval])))",
                )],
            ),
            Panel::new(
                Lines,
                "SDK: wait of a workflow task for a worker, 95th percentile",
                "s",
                &[(
                    "",
                    "histogram_quantile(0.95, sum by (le) (rate(temporal_workflow_task_schedule_to_start_latency_seconds_bucket[$__rate_interval])))",
                )],
            ),
        ],
        &[
            Panel::new(
                Lines,
                "Server: requests",
                "reqps",
                &[("{{operation}}", "topk(10, sum by (operation) (rate(service_requests[$__rate_interval])))")],
            ),
            Panel::new(
                Lines,
                "Server: errors",
                "reqps",
                &[("{{error_type}}", "sum by (error_type) (rate(service_error_with_type[$__rate_interval]))")],
            ),
            Panel::new(
                Lines,
                "Server: store, 95th percentile",
                "s",
                &[(
                    "{{operation}}",
                    "topk(5, histogram_quantile(0.95, sum by (le, operation) (rate(persistence_latency_bucket[$__rate_interval]))))",
                )],
            ),
        ],
    ],
};

const STORES: Dashboard = Dashboard {
    uid: "orderflow-stores",
    title: "OrderFlow: stores and queues",
    about: "What waits between Postgres and the others, and how full the stores are.",
    rows: &[
        &[
            Panel::new(
                Number,
                "Postgres takes writes",
                "bool_yes_no",
                &[("", r#"max(orderflow_dependency_up{dependency="postgres"})"#)],
            )
            .runbook("PostgresDown"),
            Panel::new(Number, "Read model is behind by", "s", &[("", "max(orderflow_projection_lag_seconds)")])
                .alarmed(5.0, 60.0)
                .runbook("ProjectionIsLate"),
            Panel::new(Number, "Outbox is behind by", "s", &[("", "max(orderflow_events_lag_seconds)")]).alarmed(60.0, 300.0).runbook("EventsAreLate"),
            Panel::new(Number, "Notifications are behind by", "s", &[("", "max(orderflow_notifications_lag_seconds)")])
                .alarmed(600.0, 3_600.0)
                .runbook("NotificationsAreLate"),
            Panel::new(Number, "Failing rows", "short", &[("", "sum(max by (loop) (orderflow_failing_rows))")]).alarmed(1.0, 1.0).runbook("RowsFail"),
            Panel::new(Number, "Dead letters", "short", &[("", r#"sum(max by (queue) (orderflow_queue_messages{state="dead"}))"#)])
                .alarmed(1.0, 1.0)
                .runbook("DeadLetters"),
        ],
        &[
            Panel::new(
                Lines,
                "Lags",
                "s",
                &[
                    ("read model", "max(orderflow_projection_lag_seconds)"),
                    ("outbox", "max(orderflow_events_lag_seconds)"),
                    ("notifications", "max(orderflow_notifications_lag_seconds)"),
                ],
            ),
            Panel::new(
                Lines,
                "What waits",
                "short",
                &[
                    ("rows to project", "max(orderflow_projections_behind)"),
                    ("notifications, {{state}}", "max by (state) (orderflow_notifications)"),
                    ("SQS {{queue}}, {{state}}", "max by (queue, state) (orderflow_queue_messages)"),
                ],
            ),
        ],
        &[
            Panel::new(
                Lines,
                "Connections to Postgres in use, of the pool",
                "percentunit",
                &[("{{instance}}", r#"sum by (instance) (orderflow_postgres_pool_connections{state="in_use"}) / sum by (instance) (orderflow_postgres_pool_connections_max)"#)],
            )
            .alarmed(0.8, 1.0),
            Panel::new(
                Lines,
                "Callers that wait for a connection",
                "short",
                &[("{{instance}}", "sum by (instance) (orderflow_postgres_pool_waiting)")],
            ),
            Panel::new(Stack, "Failing rows, by loop", "short", &[("{{loop}}", "max by (loop) (orderflow_failing_rows)")]),
        ],
        &[
            Panel::new(
                Stack,
                "Notifications, by channel and result, per hour",
                "short",
                &[("{{channel}} {{state}}", "sum by (channel, state) (increase(orderflow_notification_attempts_total[1h]))")],
            ),
            Panel::new(
                Stack,
                "Notifications not sent on purpose, or reported later, per hour",
                "short",
                &[
                    ("suppressed: {{reason}}", "sum by (reason) (increase(orderflow_notifications_suppressed_total[1h]))"),
                    ("reported: {{state}}", "sum by (state) (increase(orderflow_notification_feedback_total[1h]))"),
                ],
            ),
        ],
    ],
};

const MONEY: Dashboard = Dashboard {
    uid: "orderflow-money",
    title: "OrderFlow: money",
    about: "What was captured and refunded. For exact amounts ask Postgres: a counter forgets what it was when its worker ends.",
    rows: &[
        &[
            Panel::new(
                Number,
                "Captured in 24 h",
                "short",
                &[("{{currency}}", "sum by (currency) (increase(orderflow_money_captured_total[24h]))")],
            ),
            Panel::new(
                Number,
                "Refunded in 24 h",
                "short",
                &[("{{currency}}", "sum by (currency) (increase(orderflow_money_refunded_total[24h]))")],
            ),
            Panel::new(
                Number,
                "Payments refused in 1 h",
                "short",
                &[("", r#"sum(increase(orderflow_order_refusals_total{reason=~"PaymentDeclined|PaymentUnanswered"}[1h]))"#)],
            ),
            Panel::new(Number, "Refunds that wait", "short", &[("", r#"max(orderflow_failing_rows{loop="REFUNDS"})"#)])
                .alarmed(1.0, 1.0)
                .runbook("RowsFail"),
        ],
        &[
            Panel::new(
                Lines,
                "Captured per hour",
                "short",
                &[("{{currency}}", "sum by (currency) (increase(orderflow_money_captured_total[1h]))")],
            ),
            Panel::new(
                Lines,
                "Refunded per hour",
                "short",
                &[("{{currency}}", "sum by (currency) (increase(orderflow_money_refunded_total[1h]))")],
            ),
        ],
        &[
            Panel::new(
                Stack,
                "Gateway: authorizations and captures, by outcome, per hour",
                "short",
                &[(
                    "{{call}} {{outcome}}",
                    r#"sum by (call, outcome) (increase(orderflow_gateway_requests_total{call=~"authorize|capture"}[1h]))"#,
                )],
            ),
            Panel::new(
                Stack,
                "Gateway: refunds and reversals, by outcome, per hour",
                "short",
                &[(
                    "{{call}} {{outcome}}",
                    r#"sum by (call, outcome) (increase(orderflow_gateway_requests_total{call=~"refund|reverse"}[1h]))"#,
                )],
            ),
        ],
    ],
};

const OBJECTIVES: Dashboard = Dashboard {
    uid: "orderflow-objectives",
    title: "OrderFlow: objectives and error budgets",
    about: "accepting: 99.9 % of POST /api/orders without 5xx. completing: 99 % of completed orders within 5 s. projection: 99 % of the \
            time at most 5 s behind. A burn rate of 1 uses up the budget of 30 days in 30 days.",
    rows: &[
        &[
            Panel::new(
                Number,
                "Accepting: budget left of 30 days",
                "percentunit",
                &[(
                    "",
                    r#"1 - sum(increase(orderflow_http_requests_total{method="POST", route="/api/orders", status="5xx"}[30d])) / sum(increase(orderflow_http_requests_total{method="POST", route="/api/orders"}[30d])) / 0.001"#,
                )],
            )
            .runbook("AcceptingFails"),
            Panel::new(
                Number,
                "Completing: budget left of 30 days",
                "percentunit",
                &[(
                    "",
                    r#"1 - (1 - sum(increase(orderflow_order_status_duration_seconds_bucket{status="COMPLETED", le="5.0"}[30d])) / sum(increase(orderflow_order_status_duration_seconds_count{status="COMPLETED"}[30d]))) / 0.01"#,
                )],
            )
            .runbook("CompletingIsSlow"),
            Panel::new(
                Number,
                "Projection: budget left of 30 days",
                "percentunit",
                &[("", "1 - avg_over_time(orderflow:projection:late[30d]) / 0.01")],
            )
            .runbook("ProjectionIsLate"),
        ],
        &[
            Panel::new(
                Lines,
                "Burn rate over 1 h; above 14.4 somebody is called",
                "short",
                &[("{{slo}}", "orderflow:slo:errors_rate1h / on (slo) orderflow:slo:budget")],
            )
            .alarmed(6.0, 14.4),
            Panel::new(
                Lines,
                "Burn rate over 6 h; above 6 there is a ticket",
                "short",
                &[("{{slo}}", "orderflow:slo:errors_rate6h / on (slo) orderflow:slo:budget")],
            )
            .alarmed(1.0, 6.0),
        ],
        &[
            Panel::new(
                Lines,
                "POST /api/orders: duration",
                "s",
                &[
                    ("50 %", r#"histogram_quantile(0.5, sum by (le) (rate(orderflow_http_request_duration_seconds_bucket{method="POST", route="/api/orders"}[$__rate_interval])))"#),
                    ("99 %", r#"histogram_quantile(0.99, sum by (le) (rate(orderflow_http_request_duration_seconds_bucket{method="POST", route="/api/orders"}[$__rate_interval])))"#),
                ],
            ),
            Panel::new(
                Lines,
                "From acceptance to COMPLETED",
                "s",
                &[
                    ("50 %", r#"histogram_quantile(0.5, sum by (le) (rate(orderflow_order_status_duration_seconds_bucket{status="COMPLETED"}[$__rate_interval])))"#),
                    ("99 %", r#"histogram_quantile(0.99, sum by (le) (rate(orderflow_order_status_duration_seconds_bucket{status="COMPLETED"}[$__rate_interval])))"#),
                ],
            )
            .alarmed(5.0, 5.0),
            Panel::new(Lines, "Read model is behind by", "s", &[("", "max(orderflow_projection_lag_seconds)")]).alarmed(5.0, 5.0),
        ],
    ],
};

const ALL: [&Dashboard; 6] = [&ORDERS, &PATH, &WORKERS, &STORES, &MONEY, &OBJECTIVES];

fn file_of(dashboard: &Dashboard) -> String {
    format!("observability/dashboards/{}.json", dashboard.uid.trim_start_matches("orderflow-"))
}

#[test]
fn every_dashboard_is_up_to_date() {
    for dashboard in ALL {
        is_up_to_date(&file_of(dashboard), &dashboard.json());
    }
    let expected: BTreeSet<String> = ALL.iter().map(|dashboard| file_of(dashboard)).collect();
    let found = fs::read_dir(project("observability/dashboards")).unwrap();
    let found: BTreeSet<String> = found.map(|file| format!("observability/dashboards/{}", file.unwrap().file_name().display())).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_panel_can_be_read() {
    let (mut uids, manual) = (BTreeSet::new(), read("docs/operating.md"));
    for dashboard in ALL {
        assert!(uids.insert(dashboard.uid) && !dashboard.about.is_empty(), "{}", dashboard.uid);
        assert!(dashboard.panels().count() <= 16, "{} has too many panels to see at once", dashboard.uid);
        assert!(dashboard.rows.iter().all(|row| (1..=6).contains(&row.len())), "{}", dashboard.uid);
        let mut titles = BTreeSet::new();
        for panel in dashboard.panels() {
            let place = format!("{}, {}", dashboard.title, panel.title);
            assert!(titles.insert(panel.title), "{place} is there twice");
            assert!(!panel.unit.is_empty() && !panel.queries.is_empty(), "{place}");
            if let Some(section) = panel.runbook {
                assert!(manual.lines().any(|line| line == format!("### {section}")), "{place}: docs/operating.md has no section {section}");
            }
            for (legend, query) in panel.queries {
                promql::check(&place, query);
                for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
                    assert!(
                        promql::names(query).contains(label) || query.starts_with("orderflow:"),
                        "{place}: the legend's {label} is not in {query}"
                    );
                }
            }
        }
    }
}
