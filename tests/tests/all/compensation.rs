//! Compensation while something else still acts on the order: an attempt whose timeout has passed,
//! a refund by staff, or a worker that died.

use crate::{
    histories::wait_for_event,
    payment::ledger,
    refunds::refund,
    shipping::{MANUAL_CARRIER, shipment_statuses},
    support::{Draft, FAST, FailPoints, Shop, until, with_own_stack},
};
use ::orders::OrderStatus;
use anyhow::{Result, ensure};
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Waits until `count` statements that contain this text wait for a lock.
async fn wait_for_locks(shop: &Shop, what: &str, count: i64) -> Result<()> {
    let db = shop.db().await?;
    // Statements have several lines.
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND regexp_replace(query, '\\s+', ' ', 'g') LIKE '%' || $1 || '%'";
    until(&format!("{count} wait with {what}"), TIMEOUT, async || {
        Ok((db.query_one(waiting, &[&what]).await?.get::<_, i64>(0) == count).then_some(()))
    })
    .await
}

/// The amount is captured, but recording the capture takes longer than the attempt's timeout. The
/// compensation runs after the recording and must see it. Otherwise parcels would stay booked, or
/// leave.
#[test]
fn cancel_during_the_recording_of_the_capture_succeeds() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let mut db = shop.db().await?;
        // The delay gives the test time to lock the order between the two steps.
        db.batch_execute(
            "CREATE FUNCTION sandbox.delay_capture() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.7); RETURN NEW; END $$;
            CREATE TRIGGER delay_capture BEFORE UPDATE ON sandbox.charges FOR EACH ROW WHEN (NEW.state = 'CAPTURED' AND OLD.state = 'AUTHORIZED')
            EXECUTE FUNCTION sandbox.delay_capture()",
        )
        .await?;
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-late-record").line(&product, 1)).await?;
        until("the amount is held", TIMEOUT, async || {
            let held = shop.db().await?.query_opt("SELECT FROM payments WHERE order_id = $1 AND status = 'AUTHORIZED'", &[&id]).await?;
            Ok(held.map(|_| ()))
        })
        .await?;
        let busy = db.transaction().await?;
        busy.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", &[&id]).await?;
        wait_for_locks(shop, "make_shipments", 1).await?;
        wait_for_event(shop, &id, "TimerStarted").await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        wait_for_locks(shop, "FROM orders WHERE id = $1 FOR NO KEY UPDATE", 1).await?;
        busy.commit().await?;
        let order = shop.ends(&id, "CANCELLED").await?;
        // On a slow machine, Postgres may stop the recording before it gets the lock. Then there
        // are no parcels.
        ensure!(shipment_statuses(&order).iter().all(|status| *status == "CANCELLED"), "{order}");
        assert_eq!(order["payment"]["status"], "REFUNDED");
        assert_eq!((shop.stock(&product).await?, ledger(shop, &id).await?.2), ((10, 0), 0));
        shop.audit_is_clean().await
    });
}

/// Once compensation has begun, nothing may reserve or capture for the order, or complete it.
#[test]
fn a_compensating_order_can_only_end() {
    with_own_stack(0, &FAST, async |shop| {
        let db = shop.db().await?;
        for (status, target, may) in [
            ("PENDING", "RESERVED", false),
            ("RESERVED", "PAID", false),
            ("PAID", "COMPLETED", false),
            ("PAID", "CANCELLED", true),
            ("SHIPPED", "FAILED", true),
            ("SHIPPED", "DELIVERED", true),
            ("DELIVERED", "COMPLETED", true),
        ] {
            let id = shop.unique("ord_compensating");
            let order = "INSERT INTO orders (id, customer_id, status, total_minor, currency, created_at, compensating_since)
                VALUES ($1, 'C', $2, 0, 'USD', now(), now())";
            db.execute(order, &[&id, &status]).await?;
            let move_order = "SELECT moved, status FROM move_order($1, $2, ARRAY[$3::text], $4)";
            let compensating = target.parse::<OrderStatus>()?.predecessors_in_compensation();
            let moved = db.query_one(move_order, &[&id, &target, &status, &compensating]).await?;
            let expected = (may, if may { target } else { status });
            assert_eq!((moved.get(0), moved.get(1)), expected, "from {status} to {target}");
        }
        Ok(())
    });
}

/// A worker began to cancel an order and died. The next worker would end the order as FAILED. The
/// end that was recorded first counts.
#[test]
fn the_end_of_a_compensation_that_has_begun_stays() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-begun").line(&product, 1).payment_method("tok_down")).await?;
        shop.reaches(&id, &["RESERVED"]).await?;
        let begun = "UPDATE orders SET compensating_since = now(), compensating_to = 'CANCELLED', compensating_reason = 'changed my mind'
            WHERE id = $1";
        shop.db().await?.execute(begun, &[&id]).await?;
        let order = shop.ends(&id, "CANCELLED").await?;
        assert_eq!(order["failureReason"], "changed my mind");
        assert_eq!(shop.stock(&product).await?, (10, 0));
        shop.audit_is_clean().await
    });
}

/// Staff refund a part while the customer cancels. Both requests wait at the gateway. Together they
/// refund exactly the captured amount.
#[test]
fn a_refund_during_a_cancellation_is_not_paid_twice() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-both").line(&product, 1)).await?;
        until("the parcel is booked", TIMEOUT, async || Ok((shipment_statuses(&shop.order(&id).await?) == ["BOOKED"]).then_some(())))
            .await?;
        let mut gateway = shop.db().await?;
        let busy = gateway.transaction().await?;
        busy.execute("SELECT FROM sandbox.charges WHERE idempotency_key = $1 FOR UPDATE", &[&id]).await?;
        let (status, _) = refund(shop, &id, &json!({ "amount": 1.0 }), None).await?;
        ensure!(status == StatusCode::ACCEPTED);
        wait_for_locks(shop, "sandbox.charges", 1).await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        wait_for_locks(shop, "sandbox.charges", 2).await?;
        busy.commit().await?;
        let order = shop.ends(&id, "CANCELLED").await?;
        assert_eq!(order["payment"], json!({ "status": "REFUNDED", "amount": 10.0, "refundedAmount": 10.0 }));
        assert_eq!(ledger(shop, &id).await?.2, 0);
        shop.audit_is_clean().await
    });
}

/// The worker dies after the order has failed and before its customer is notified. Readers still
/// see the old status, so a cancellation is sent. It must not hide the failure and its reason.
#[test]
fn cancel_after_a_failure_by_a_dead_worker_shows_the_failure() {
    let fail_points = FailPoints::new().expect("a folder for fail points");
    let folder = fail_points.folder();
    with_own_stack(1, &[&FAST[..], &[("FAIL_POINTS", folder.as_str())]].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        fail_points.arm("CancelOrder")?;
        // The slow reservation ends the workflow's first task. After the worker's death, only the
        // second task is repeated.
        let mut db = shop.db().await?;
        let busy = db.transaction().await?;
        busy.execute("SELECT FROM products WHERE id = $1 FOR UPDATE", &[&product.id]).await?;
        let id = shop.place(&Draft::new("CUST-ended").line(&product, 1).payment_method("tok_declined")).await?;
        wait_for_locks(shop, "reserve_order", 1).await?;
        tokio::time::sleep(Duration::from_millis(600)).await;
        busy.commit().await?;
        let worker = &shop.stack.workers[0];
        until("the worker has failed it and died", TIMEOUT, async || Ok(worker.pid().is_none().then_some(()))).await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        worker.start().await?;
        let order = shop.ends(&id, "FAILED").await?;
        assert_eq!(order["failureReason"], "the card was declined");
        until("the customer is notified", TIMEOUT, async || {
            let notified = "SELECT FROM notifications WHERE order_id = $1 AND type = 'ORDER_FAILED'";
            Ok(shop.db().await?.query_opt(notified, &[&id]).await?.map(|_| ()))
        })
        .await?;
        shop.audit_is_clean().await
    });
}
