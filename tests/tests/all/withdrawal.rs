//! Withdrawing an order while something else is still at work on it: an attempt that nobody waits for any more, staff, a worker that died.

use crate::{
    histories::happens,
    payment::ledger,
    refunds::refund,
    shipping::{SLOW, shipped},
    support::{Draft, FAST, FailPoints, Shop, own, until},
};
use anyhow::{Result, ensure};
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// Waits until so many statements that have this in them wait for a lock.
async fn waits(shop: &Shop, what: &str, count: i64) -> Result<()> {
    let db = shop.db().await?;
    // Statements have several lines.
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND regexp_replace(query, '\\s+', ' ', 'g') LIKE '%' || $1 || '%'";
    until(&format!("{count} wait with {what}"), SOON, async || {
        Ok((db.query_one(waiting, &[&what]).await?.get::<_, i64>(0) == count).then_some(()))
    })
    .await
}

/// The amount has been taken, and recording that waits for longer than the attempt has. Whoever withdraws the order comes after that record, and must not
/// miss it: else parcels would be left behind, or leave.
#[test]
fn who_cancels_while_the_capture_is_being_recorded_has_cancelled() {
    own(1, &[&FAST[..], &SLOW].concat(), async |shop| {
        let mut db = shop.db().await?;
        // Time to get hold of the order between the two.
        db.batch_execute(
            "CREATE FUNCTION sandbox.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.7); RETURN NEW; END $$;
            CREATE TRIGGER dawdle BEFORE UPDATE ON sandbox.charges FOR EACH ROW WHEN (NEW.state = 'CAPTURED' AND OLD.state = 'AUTHORIZED')
            EXECUTE FUNCTION sandbox.dawdle()",
        )
        .await?;
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-late-record").line(&product, 1)).await?;
        until("the amount is held", SOON, async || {
            let held = shop.db().await?.query_opt("SELECT FROM payments WHERE order_id = $1 AND status = 'AUTHORIZED'", &[&id]).await?;
            Ok(held.map(|_| ()))
        })
        .await?;
        let busy = db.transaction().await?;
        busy.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", &[&id]).await?;
        waits(shop, "make_shipments", 1).await?;
        happens(shop, &id, "TimerStarted").await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        waits(shop, "FROM orders WHERE id = $1 FOR NO KEY UPDATE", 1).await?;
        busy.commit().await?;
        let order = shop.ends(&id, "CANCELLED").await?;
        assert_eq!((shipped(&order), &order["payment"]["status"]), (vec!["CANCELLED"], &json!("REFUNDED")));
        assert_eq!((shop.stock(&product).await?, ledger(shop, &id).await?.2), ((10, 0), 0));
        shop.audit_is_clean().await
    });
}

/// From when an order is being withdrawn nobody reserves or takes anything for it, or completes it.
#[test]
fn an_order_that_is_being_withdrawn_moves_to_its_end_only() {
    own(0, &FAST, async |shop| {
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
            let id = shop.unique("ord_withdrawn");
            let order = "INSERT INTO orders (id, customer_id, status, total_minor, currency, created_at, compensating_since)
                VALUES ($1, 'C', $2, 0, 'USD', now(), now())";
            db.execute(order, &[&id, &status]).await?;
            let moved = db.query_one("SELECT moved, status FROM move_order($1, $2, ARRAY[$3::text])", &[&id, &target, &status]).await?;
            let expected = (may, if may { target } else { status });
            assert_eq!((moved.get(0), moved.get(1)), expected, "from {status} to {target}");
        }
        Ok(())
    });
}

/// Staff give a part back while the customer cancels: each waits for the other at the gateway, and together they give back what was taken.
#[test]
fn a_part_that_is_given_back_beside_a_cancellation_is_not_given_back_twice() {
    own(1, &[&FAST[..], &SLOW].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-both").line(&product, 1)).await?;
        until("the parcel is booked", SOON, async || Ok((shipped(&shop.order(&id).await?) == ["BOOKED"]).then_some(()))).await?;
        let mut gateway = shop.db().await?;
        let busy = gateway.transaction().await?;
        busy.execute("SELECT FROM sandbox.charges WHERE idempotency_key = $1 FOR UPDATE", &[&id]).await?;
        let (status, _) = refund(shop, &id, &json!({ "amount": 1.0 }), None).await?;
        ensure!(status == StatusCode::ACCEPTED);
        waits(shop, "sandbox.charges", 1).await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        waits(shop, "sandbox.charges", 2).await?;
        busy.commit().await?;
        let order = shop.ends(&id, "CANCELLED").await?;
        assert_eq!(order["payment"], json!({ "status": "REFUNDED", "amount": 10.0, "refundedAmount": 10.0 }));
        assert_eq!(ledger(shop, &id).await?.2, 0);
        shop.audit_is_clean().await
    });
}

/// The worker dies when the order has failed and before its customer is told. Who cancels then, by what was shown last, reads why it failed.
#[test]
fn who_cancels_what_a_dead_worker_has_ended_is_told_of_that_end() {
    let fail_points = FailPoints::new().expect("a folder for fail points");
    let folder = fail_points.folder();
    own(1, &[&FAST[..], &[("FAIL_POINTS", folder.as_str())]].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        fail_points.arm("CancelOrder")?;
        // So slow a reservation ends the workflow's first task: what comes in the second is repeated alone.
        let mut db = shop.db().await?;
        let busy = db.transaction().await?;
        busy.execute("SELECT FROM products WHERE id = $1 FOR UPDATE", &[&product.id]).await?;
        let id = shop.place(&Draft::new("CUST-ended").line(&product, 1).payment_method("tok_declined")).await?;
        waits(shop, "WITH wanted AS", 1).await?;
        tokio::time::sleep(Duration::from_millis(600)).await;
        busy.commit().await?;
        let worker = &shop.stack.workers[0];
        until("the worker has failed it and died", SOON, async || Ok(worker.pid().is_none().then_some(()))).await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        worker.start().await?;
        let order = shop.ends(&id, "FAILED").await?;
        assert_eq!(order["failureReason"], "the card was declined");
        until("the customer is told", SOON, async || {
            let told = "SELECT FROM notifications WHERE order_id = $1 AND type = 'ORDER_FAILED'";
            Ok(shop.db().await?.query_opt(told, &[&id]).await?.map(|_| ()))
        })
        .await?;
        shop.audit_is_clean().await
    });
}
