//! Orders whose workflow is lost, workflows with a long history, and orders that ended long ago.

use crate::{
    histories::{connect, replay, settings},
    payment::ledger,
    shipping::{MANUAL_CARRIER, send_tracking_event, shipment_statuses, tracking_event},
    support::{Draft, FAST, Shop, until, until_ok, with_own_stack},
};
use ::orders::{
    OrderWorkflow,
    shipping::{Scan, ScanEvent, ShipmentId},
    workflow::OrderWorkflowType,
};
use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use temporalio_client::{
    WorkflowDescribeOptions, WorkflowExecutionInfo, WorkflowExecutionStatus, WorkflowSignalOptions, errors::WorkflowInteractionError,
};
use time::OffsetDateTime;

const TIMEOUT: Duration = Duration::from_secs(60);
/// Only the test looks for lost workflows.
const NO_RESUME_LOOP: (&str, &str) = ("RESUME_PERIOD_S", "0");
/// Temporal suggests continue as new after this few events.
const SHORT_HISTORY: (&str, &str) = ("TEMPORAL_DYNAMIC_CONFIG", "limit.historyCount.suggestContinueAsNew=30");

/// The latest run of an order's workflow, and its status; `None` if Temporal does not know the
/// workflow.
async fn latest_run(shop: &Shop, id: &str) -> Result<Option<(String, WorkflowExecutionStatus)>> {
    let handle = connect(shop).await?.get_workflow_handle::<OrderWorkflowType>(id);
    match handle.describe(WorkflowDescribeOptions::default()).await {
        Ok(description) => Ok(Some((description.run_id().to_owned(), description.status()))),
        Err(WorkflowInteractionError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn terminate(shop: &Shop, id: &str) -> Result<()> {
    shop.stack.temporal.service().cli(&["workflow", "terminate", "--workflow-id", id, "--reason", "test"]).await.map(drop)
}

/// Runs a command of `worker`, which must succeed. Returns its output.
async fn worker(shop: &Shop, args: &[&str]) -> Result<String> {
    let output = shop.stack.run("worker", args).await?;
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "worker {args:?}: {printed}");
    Ok(printed)
}

async fn wait_until_booked(shop: &Shop, id: &str) -> Result<()> {
    until(&format!("the parcel of {id} is booked"), TIMEOUT, async || {
        Ok((shipment_statuses(&shop.order(id).await?) == ["BOOKED"]).then_some(()))
    })
    .await
}

/// Workflows are terminated at different points. The orders continue from there, and each has its
/// effect once.
#[test]
fn orders_with_terminated_workflows_continue_after_a_resume() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER, &[NO_RESUME_LOOP]].concat(), async |shop| {
        let (product, gone) = (shop.product(1_000, 100).await?, shop.product(1_000, 0).await?);
        let draft = || Draft::new("CUST-resumed").line(&product, 1);
        let paid = shop.place(&draft()).await?;
        let on_its_way = shop.place(&draft()).await?;
        let compensating = shop.place(&draft()).await?;
        let cancelled = shop.place(&draft()).await?;
        let short = shop.place(&draft().line(&gone, 1)).await?;
        for id in [&paid, &on_its_way, &compensating, &cancelled] {
            wait_until_booked(shop, id).await?;
        }
        shop.reaches(&short, &["ACTION_REQUIRED"]).await?;
        send_tracking_event(shop, &tracking_event(&on_its_way, 1, "IN_TRANSIT")).await?;
        shop.reaches(&on_its_way, &["SHIPPED"]).await?;
        let mut db = shop.db().await?;
        let busy = db.transaction().await?;
        busy.execute("SELECT FROM sandbox.charges WHERE idempotency_key = $1 FOR UPDATE", &[&compensating]).await?;
        let reason = json!({ "reason": "changed my mind" }).to_string();
        shop.post(&format!("/api/orders/{compensating}/cancel"), reason).await?.error_for_status()?;
        until("its compensation has begun", TIMEOUT, async || Ok((shop.order(&compensating).await?["compensating"] == true).then_some(())))
            .await?;
        // The gateway has taken the amount, and its answer is lost.
        let reserved = shop.place(&draft().payment_method("tok_timeout")).await?;
        shop.reaches(&reserved, &["RESERVED"]).await?;
        terminate(shop, &reserved).await?;
        worker(shop, &["maintenance", "on"]).await?;
        let pending = shop.place(&draft()).await?;
        until("it is on record", TIMEOUT, async || {
            Ok(shop.db().await?.query_opt("SELECT FROM orders WHERE id = $1", &[&pending]).await?.map(drop))
        })
        .await?;
        let all = [&paid, &on_its_way, &compensating, &cancelled, &short, &reserved, &pending];
        shop.stack.temporal.service().terminate_all("test").await?;
        worker(shop, &["maintenance", "off"]).await?;

        // The audit skips orders that changed a moment ago. The gateway stays blocked until the
        // audit names all orders, so that the running attempt of the compensation fails.
        until_ok("the audit names them all", TIMEOUT, async || {
            let audit = shop.stack.run("worker", &["audit"]).await?;
            let found = String::from_utf8_lossy(&audit.stdout).into_owned();
            for id in all {
                ensure!(
                    found.lines().any(|line| line.contains(id.as_str()) && line.contains("but its workflow is closed")),
                    "{id} is not in {found}"
                );
            }
            Ok(())
        })
        .await?;
        busy.rollback().await?;

        // The customer can cancel the order although its workflow is lost.
        assert_eq!(shop.cancel(&cancelled).await?.0, StatusCode::ACCEPTED);
        shop.ends(&cancelled, "CANCELLED").await?;
        let printed = worker(shop, &["resume", &paid]).await?;
        ensure!(printed.contains(&format!("{paid}: its workflow is started again")), "{printed}");
        let printed = worker(shop, &["resume", &paid, &cancelled]).await?;
        ensure!(printed.contains(&format!("{paid}: its workflow is running")), "{printed}");
        ensure!(printed.contains(&format!("{cancelled}: it has ended, CANCELLED")), "{printed}");
        let printed = worker(shop, &["resume", "--all"]).await?;
        ensure!(printed.contains("5 orders resumed"), "{printed}");

        let order = shop.ends(&compensating, "CANCELLED").await?;
        assert_eq!(order["failureReason"], "changed my mind");
        shop.post(&format!("/api/orders/{short}/amend"), "").await?.error_for_status()?;
        for id in [&paid, &short, &reserved, &pending] {
            wait_until_booked(shop, id).await?;
            send_tracking_event(shop, &tracking_event(id, 1, "IN_TRANSIT")).await?;
        }
        for id in [&paid, &on_its_way, &short, &reserved, &pending] {
            send_tracking_event(shop, &tracking_event(id, 1, "DELIVERED")).await?;
            shop.ends(id, "COMPLETED").await?;
            assert_eq!(ledger(shop, id).await?.2, 1_000, "{id}");
        }
        let tokens = "SELECT count(*) FROM orders WHERE payment_method IS NOT NULL";
        assert_eq!(shop.db().await?.query_one(tokens, &[]).await?.get::<_, i64>(0), 0, "a settled order keeps no payment token");
        assert_eq!(shop.stock(&product).await?, (95, 0));
        shop.audit_is_clean().await
    });
}

/// Everything that an ended order has left in the database. Nothing of it may change.
async fn records_of(shop: &Shop, id: &str) -> Result<Vec<String>> {
    let traces = "SELECT format('%s %s %s', status, version, updated_at) FROM orders WHERE id = $1
        UNION ALL SELECT format('%s %s %s', type, channel, created_at) FROM notifications WHERE order_id = $1
        UNION ALL SELECT format('%s %s', status, at) FROM order_history WHERE order_id = $1
        UNION ALL SELECT format('%s %s %s', product_id, state, updated_at) FROM reservations WHERE order_id = $1
        UNION ALL SELECT format('%s %s', status, updated_at) FROM payments WHERE order_id = $1
        UNION ALL SELECT format('%s %s', kind, at) FROM sandbox.entries WHERE idempotency_key = $1";
    let mut traces: Vec<String> = shop.db().await?.query(traces, &[&id]).await?.iter().map(|row| row.get(0)).collect();
    traces.sort();
    Ok(traces)
}

/// The worker finds the lost workflow by itself. If an old message of an ended order arrives when
/// Temporal has forgotten the order, the order must not start again.
#[test]
fn lost_workflows_are_found_and_old_messages_of_ended_orders_change_nothing() {
    with_own_stack(1, &[&FAST[..], &[("RESUME_PERIOD_S", "1")]].concat(), async |shop| {
        let product = shop.product(1_000, 100).await?;
        let draft = || Draft::new("CUST-lost").line(&product, 1).with("contact", json!({ "email": "customer@example.com" }));
        let lost = shop.place(&draft().payment_method("tok_timeout")).await?;
        shop.reaches(&lost, &["RESERVED"]).await?;
        terminate(shop, &lost).await?;
        shop.ends(&lost, "COMPLETED").await?;
        let port = shop.stack.settings().port("WORKER_PORT")?;
        let metrics = shop.http.get(format!("http://127.0.0.1:{port}/metrics")).send().await?.text().await?;
        let resumed = metrics.lines().find(|line| line.starts_with("orderflow_orders_resumed_total")).context("no metric")?;
        ensure!(resumed.ends_with(" 1.0"), "{resumed}");

        let failed = shop.place(&draft().payment_method("tok_declined")).await?;
        let cancelled = shop.place(&draft().payment_method("tok_down")).await?;
        shop.reaches(&cancelled, &["RESERVED"]).await?;
        shop.cancel(&cancelled).await?;
        let (sqs, queue) = (aws_sdk_sqs::Client::new(&shop.aws()?), shop.stack.settings().get("INTAKE_QUEUE_URL")?);
        for (id, end) in [(&lost, "COMPLETED"), (&failed, "FAILED"), (&cancelled, "CANCELLED")] {
            shop.ends(id, end).await?;
            until("its workflow has ended", TIMEOUT, async || {
                Ok(latest_run(shop, id).await?.filter(|(_, status)| *status == WorkflowExecutionStatus::Completed))
            })
            .await?;
            shop.stack.temporal.service().cli(&["workflow", "delete", "--workflow-id", id]).await?;
            until("Temporal has forgotten it", TIMEOUT, async || Ok(latest_run(shop, id).await?.is_none().then_some(()))).await?;
            let before = records_of(shop, id).await?;
            let message = json!({
                "id": id, "customer_id": "CUST-lost", "total_minor": 1_000, "currency": "USD", "payment_method": "tok_visa",
                "items": [{ "product_id": product.id, "quantity": 1, "unit_price_minor": 1_000 }],
                "contact": null, "accepted_at": "2026-11-29T00:00:00Z",
            });
            sqs.send_message().queue_url(queue).message_body(message.to_string()).send().await?;
            until("it ends at once", TIMEOUT, async || {
                Ok(latest_run(shop, id).await?.filter(|(_, status)| *status == WorkflowExecutionStatus::Completed))
            })
            .await?;
            assert_eq!(records_of(shop, id).await?, before, "{id} has {end}");
        }
        let failing = "SELECT count(*) FROM failing_rows";
        until("nothing is shown as failing any more", TIMEOUT, async || {
            Ok((shop.db().await?.query_one(failing, &[]).await?.get::<_, i64>(0) == 0).then_some(()))
        })
        .await?;
        shop.audit_is_clean().await
    });
}

/// Only the read model has this order: Temporal was unreachable, and the intake queue was purged.
#[test]
fn an_order_lost_before_it_was_recorded_fails_with_a_reason() {
    with_own_stack(1, &[&FAST[..], &[NO_RESUME_LOOP]].concat(), async |shop| {
        let product = shop.product(1_000, 100).await?;
        shop.stack.temporal.stop().await?;
        let id = shop.place(&Draft::new("CUST-purged").line(&product, 1)).await?;
        let (sqs, queue) = (aws_sdk_sqs::Client::new(&shop.aws()?), shop.stack.settings().get("INTAKE_QUEUE_URL")?);
        sqs.purge_queue().queue_url(queue).send().await?;
        shop.stack.temporal.start().await?;
        until("it is resumed", TIMEOUT, async || Ok(worker(shop, &["resume", &id]).await.ok())).await?;
        let order = shop.ends(&id, "FAILED").await?;
        ensure!(order["failureReason"].as_str().is_some_and(|reason| reason.contains("nothing was charged")), "{order}");
        assert_eq!(shop.stock(&product).await?, (100, 0));
        let charges = "SELECT count(*) FROM sandbox.entries WHERE idempotency_key = $1";
        assert_eq!(shop.db().await?.query_one(charges, &[&id]).await?.get::<_, i64>(0), 0);
        shop.audit_is_clean().await
    });
}

/// A workflow with a long history continues in a new run, without an effect on its callers. The
/// history grows here in two ways: by polling the carrier, and by a flood of signals.
#[test]
fn a_long_history_is_continued_as_new() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER, &[NO_RESUME_LOOP, SHORT_HISTORY, ("CARRIER_POLL_S", "1")]].concat(), async |shop| {
        let (product, gone) = (shop.product(1_000, 100).await?, shop.product(1_000, 0).await?);
        let draft = || Draft::new("CUST-long").line(&product, 1);
        let (arrives, cancelled) = (shop.place(&draft()).await?, shop.place(&draft()).await?);
        let waits = shop.place(&draft().line(&gone, 1)).await?;
        for id in [&arrives, &cancelled] {
            wait_until_booked(shop, id).await?;
        }
        shop.reaches(&waits, &["ACTION_REQUIRED"]).await?;
        let first = async |id: &str| Ok::<_, anyhow::Error>(latest_run(shop, id).await?.context("it does not run")?.0);
        let continued = async |id: &str, first: &str| {
            until(&format!("{id} is continued as new"), TIMEOUT, async || Ok(latest_run(shop, id).await?.filter(|(run, _)| run != first)))
                .await
        };
        let (run_of_arrives, run_of_cancelled, run_of_waits) = (first(&arrives).await?, first(&cancelled).await?, first(&waits).await?);
        let handle = connect(shop).await?.get_workflow_handle::<OrderWorkflowType>(waits.clone());
        // The numbers begin at 2. The order gets shipment 1 later, and the workflow may read a
        // signal only then.
        for number in 2..=41 {
            let scan = Scan {
                shipment_id: ShipmentId { order_id: waits.parse()?, number },
                event: ScanEvent::InTransit,
                at: OffsetDateTime::now_utc(),
                reason: None,
            };
            handle.signal(OrderWorkflow::scan, scan, WorkflowSignalOptions::default()).await?;
        }
        continued(&waits, &run_of_waits).await?;
        continued(&arrives, &run_of_arrives).await?;
        continued(&cancelled, &run_of_cancelled).await?;
        let (_, open) = latest_run(shop, &waits).await?.context("it does not run")?;
        assert_eq!(open, WorkflowExecutionStatus::Running);

        assert_eq!(shop.cancel(&cancelled).await?.0, StatusCode::ACCEPTED);
        shop.ends(&cancelled, "CANCELLED").await?;
        shop.post(&format!("/api/orders/{waits}/amend"), "").await?.error_for_status()?;
        wait_until_booked(shop, &waits).await?;
        for id in [&arrives, &waits] {
            send_tracking_event(shop, &tracking_event(id, 1, "DELIVERED")).await?;
            shop.ends(id, "COMPLETED").await?;
        }
        // Both runs must replay with the current workflow.
        for run in [run_of_arrives, first(&arrives).await?] {
            let info = WorkflowExecutionInfo::builder().namespace("default").workflow_id(arrives.clone()).run_id(run).build();
            let history = info.bind_untyped(connect(shop).await?).fetch_history(Default::default()).to_json().await?;
            replay(&serde_json::from_slice(&history)?, settings(1_500)).await?;
        }
        let notified = "SELECT type, count(*) FROM notifications WHERE order_id = $1 GROUP BY type HAVING count(*) > 1";
        ensure!(shop.db().await?.query(notified, &[&waits]).await?.is_empty(), "its customer was notified something twice");
        // The signals named shipments that the order does not have. Staff see them as findings.
        let findings = "DELETE FROM failing_rows WHERE loop = 'FINDINGS' AND starts_with(row_id, $1)";
        ensure!(shop.db().await?.execute(findings, &[&waits]).await? > 0, "nobody is shown the flood's false scans");
        shop.audit_is_clean().await
    });
}

/// A parcel without news from the carrier for a long time is shown to staff and named by the audit.
#[test]
fn a_silent_parcel_counts_as_stuck() {
    with_own_stack(
        1,
        &[&FAST[..], &MANUAL_CARRIER, &[NO_RESUME_LOOP, ("AUDIT_STUCK_AFTER_S", "3600"), ("PARCEL_SILENT_AFTER_S", "86400")]].concat(),
        async |shop| {
            let product = shop.product(1_000, 100).await?;
            let (silent, recent) = (
                shop.place(&Draft::new("CUST-silent").line(&product, 1)).await?,
                shop.place(&Draft::new("CUST-silent").line(&product, 1)).await?,
            );
            for id in [&silent, &recent] {
                wait_until_booked(shop, id).await?;
            }
            let db = shop.db().await?;
            db.batch_execute(&format!(
                "ALTER TABLE shipments DISABLE TRIGGER shipments_touch;
            UPDATE orders SET created_at = now() - interval '2 days';
            UPDATE order_history SET at = at - interval '2 days';
            UPDATE shipments SET updated_at = now() - interval '25 hours' WHERE order_id = '{silent}';
            UPDATE shipments SET updated_at = now() - interval '23 hours' WHERE order_id = '{recent}';
            ALTER TABLE shipments ENABLE TRIGGER shipments_touch"
            ))
            .await?;
            let audit = shop.stack.run("worker", &["audit"]).await?;
            let found = String::from_utf8_lossy(&audit.stdout).into_owned();
            ensure!(found.contains(&format!("no order is stuck: {silent}: PAID")), "{found}");
            ensure!(!found.contains(&format!("no order is stuck: {recent}")), "{found}");
            until("staff see it", TIMEOUT, async || {
                let operations: Value = shop.get("/api/operations").await?.json().await?;
                Ok(operations["attention"].to_string().contains(&silent).then_some(()))
            })
            .await
        },
    );
}
