//! `POST /api/orders/{id}/cancel`, at each point of an order's life.

use super::statuses;
use crate::{
    histories::wait_for_event,
    payment::ledger,
    support::{Draft, SLOW_HEARTBEAT, Shop, answer, text, until, with_own_stack, with_shared_stack},
};
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use reqwest::{StatusCode, header};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

const TIMEOUT: Duration = Duration::from_secs(15);

/// Asserts that the order holds no stock, that nothing is charged, and that the customer was
/// notified of the cancellation once. If the order had been paid, the confirmation must come before
/// that.
async fn assert_fully_cancelled(shop: &Shop, id: &str) -> Result<()> {
    let db = shop.db().await?;
    let held = "SELECT count(*) FROM reservations WHERE order_id = $1 AND state = 'HELD'";
    assert_eq!(db.query_one(held, &[&id]).await?.get::<_, i64>(0), 0);
    let net = "SELECT coalesce(sum(CASE kind WHEN 'CAPTURE' THEN amount_minor ELSE -amount_minor END), 0)::bigint FROM sandbox.entries
        WHERE idempotency_key = $1";
    assert_eq!(db.query_one(net, &[&id]).await?.get::<_, i64>(0), 0);
    let paid = statuses(&shop.order(id).await?).contains(&"PAID");
    let expected = if paid { vec!["ORDER_CONFIRMED", "ORDER_CANCELLED"] } else { vec!["ORDER_CANCELLED"] };
    // The notification follows the cancellation in a separate step.
    let notified = until("the cancellation is notified", TIMEOUT, async || {
        let kinds = db.query("SELECT type FROM notifications WHERE order_id = $1 ORDER BY created_at", &[&id]).await?;
        let kinds: Vec<String> = kinds.iter().map(|row| row.get(0)).collect();
        Ok(kinds.iter().any(|kind| kind == "ORDER_CANCELLED").then_some(kinds))
    });
    assert_eq!(notified.await?, expected);
    Ok(())
}

/// While no worker runs, an accepted order stays PENDING.
#[test]
fn cancel_of_a_pending_order_reserves_nothing() {
    with_own_stack(1, &[], async |shop| {
        let worker = &shop.stack.workers[0];
        worker.stop().await?;
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-pending").line(&product, 1)).await?;
        assert_eq!(shop.order(&id).await?["status"], "PENDING");
        let (status, body) = answer(shop.post(&format!("/api/orders/{id}/cancel"), r#"{"reason":"changed my mind"}"#).await?).await?;
        assert_eq!((status, body), (StatusCode::ACCEPTED, json!({ "id": id, "status": "PENDING" })));
        worker.start().await?;
        let order = shop.ends(&id, "CANCELLED").await?;
        assert_eq!((statuses(&order), text(&order, "/failureReason")?), (vec!["PENDING", "CANCELLED"], "changed my mind"));
        assert_eq!(shop.stock(&product).await?, (10, 0));
        assert_fully_cancelled(shop, &id).await?;
        shop.audit_is_clean().await
    });
}

/// The reservation waits for a lock that the test holds.
#[test]
fn cancel_during_the_reservation_holds_nothing() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 10).await?;
        let (mut holder, watcher) = (shop.db().await?, shop.db().await?);
        let lock = holder.transaction().await?;
        lock.execute("SELECT FROM products WHERE id = $1 FOR UPDATE", &[&product.id]).await?;
        let id = shop.place(&Draft::new("CUST-reserving").line(&product, 1)).await?;
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%reserve_order%'";
        until("the reservation waits for the lock", TIMEOUT, async || {
            Ok((watcher.query_one(waits, &[]).await?.get::<_, i64>(0) > 0).then_some(()))
        })
        .await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        let order = shop.ends(&id, "CANCELLED").await?;
        assert_eq!(statuses(&order), ["PENDING", "CANCELLED"]);
        lock.rollback().await?;
        assert_eq!(shop.stock(&product).await?, (10, 0));
        assert_fully_cancelled(shop, &id).await?;
        shop.audit_is_clean().await
    });
}

#[test]
fn cancel_during_an_unanswered_charge_voids_it() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-paying").line(&product, 4).payment_method("tok_down")).await?;
        shop.reaches(&id, &["RESERVED"]).await?;
        assert_eq!(shop.stock(&product).await?, (6, 4));
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        let order = shop.ends(&id, "CANCELLED").await?;
        assert_eq!(statuses(&order), ["PENDING", "RESERVED", "CANCELLED"]);
        assert_eq!(shop.stock(&product).await?, (10, 0));
        assert_eq!(ledger(shop, &id).await?.0, "VOIDED");
        assert_fully_cancelled(shop, &id).await?;
        shop.audit_is_clean().await
    });
}

/// The attempt does not notice the cancellation before it fails by itself.
#[test]
fn cancel_during_a_failing_attempt_succeeds() {
    with_own_stack(1, &SLOW_HEARTBEAT, async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-unlucky").line(&product, 1).payment_method("tok_down")).await?;
        wait_for_event(shop, &id, "ActivityTaskScheduled").await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        shop.ends(&id, "CANCELLED").await?;
        assert_eq!(shop.stock(&product).await?, (10, 0));
        shop.audit_is_clean().await
    });
}

/// The gateway has charged, but OrderFlow has not learned of it yet.
#[test]
fn cancel_after_a_lost_charge_answer_refunds_the_charge() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-charged").line(&product, 4).payment_method("tok_timeout")).await?;
        let db = shop.db().await?;
        until("the gateway has charged", TIMEOUT, async || {
            Ok(db.query_opt("SELECT FROM sandbox.entries WHERE idempotency_key = $1 AND kind = 'CAPTURE'", &[&id]).await?)
        })
        .await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        let order = shop.ends(&id, "CANCELLED").await?;
        assert_eq!(order["payment"], json!({ "status": "REFUNDED", "amount": 40.0, "refundedAmount": 40.0 }));
        assert_eq!(shop.stock(&product).await?, (10, 0));
        assert_eq!(ledger(shop, &id).await?.0, "REFUNDED");
        assert_fully_cancelled(shop, &id).await?;
        shop.audit_is_clean().await
    });
}

#[test]
fn twenty_cancellations_have_one_effect() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-twice").line(&product, 4).payment_method("tok_down")).await?;
        shop.reaches(&id, &["RESERVED"]).await?;
        let answers = try_join_all((0..20).map(|_| shop.cancel(&id))).await?;
        assert_eq!(answers[0].0, StatusCode::ACCEPTED);
        // A cancellation that arrives after the order's end is too late.
        ensure!(answers.iter().all(|(status, _)| [StatusCode::ACCEPTED, StatusCode::CONFLICT].contains(status)), "{answers:?}");
        shop.ends(&id, "CANCELLED").await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::CONFLICT);
        assert_eq!(shop.stock(&product).await?, (10, 0));
        assert_fully_cancelled(shop, &id).await?;
        shop.audit_is_clean().await
    });
}

/// Each signal stays in the workflow's history, whose size is limited.
#[test]
fn requests_to_one_order_are_limited() {
    with_own_stack(0, &[("ORDER_REQUEST_LIMIT", "5")], async |shop| {
        let id = shop.place(&Draft::new("CUST-insists").line_at("PROD-010", 1, 2_995)).await?;
        for _ in 0..5 {
            assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        }
        let refused = shop.post(&format!("/api/orders/{id}/cancel"), "").await?;
        assert_eq!(refused.headers().get(header::RETRY_AFTER).map(header::HeaderValue::as_bytes), Some(&b"3600"[..]));
        assert_eq!(answer(refused).await?.0, StatusCode::TOO_MANY_REQUESTS);
        // Each order has its own limit.
        let other = shop.place(&Draft::new("CUST-insists").line_at("PROD-010", 1, 2_995)).await?;
        assert_eq!(shop.cancel(&other).await?.0, StatusCode::ACCEPTED);
        Ok(())
    });
}

/// A client repeats a cancellation for as long as it is answered 503. It must not be locked out
/// when the outage ends.
#[test]
fn requests_during_an_outage_do_not_count() {
    with_own_stack(0, &[("ORDER_REQUEST_LIMIT", "2")], async |shop| {
        let id = shop.place(&Draft::new("CUST-patient").line_at("PROD-010", 1, 2_995)).await?;
        let temporal = &shop.stack.temporal;
        temporal.stop().await?;
        for _ in 0..4 {
            assert_eq!(shop.cancel(&id).await?.0, StatusCode::SERVICE_UNAVAILABLE);
        }
        temporal.start().await?;
        until("the cancellation is accepted", Duration::from_secs(30), async || {
            let status = shop.cancel(&id).await?.0;
            ensure!([StatusCode::ACCEPTED, StatusCode::SERVICE_UNAVAILABLE].contains(&status), "{status}");
            Ok((status == StatusCode::ACCEPTED).then_some(()))
        })
        .await
    });
}

/// Each order is cancelled while it runs. The time from the order to its cancellation grows by 4 ms
/// from order to order. Either the cancellation or the completion wins, and there is no result in
/// between.
#[test]
fn a_race_with_completion_has_one_winner() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 1_000).await?;
        let drafts: Vec<Draft> = (0..60).map(|_| Draft::new("CUST-cancel-race").line(&product, 1)).collect();
        let raced = drafts.iter().zip(0..).map(async |(draft, nth)| {
            let id = shop.place(draft).await?;
            sleep(Duration::from_millis(4 * nth)).await;
            // Some of many concurrent orders go to the intake queue. They may stay there longer
            // than a cancellation waits: up to a minute, if the process that received them was
            // killed (such as the second `api` of another test).
            let answer = until("the cancellation is accepted or refused", Duration::from_secs(90), async || {
                let answer = shop.cancel(&id).await?;
                Ok((answer.0 != StatusCode::SERVICE_UNAVAILABLE).then_some(answer))
            });
            let answer = answer.await?;
            anyhow::Ok((id, answer))
        });
        let mut cancelled = 0;
        for (id, (status, body)) in try_join_all(raced).await? {
            let order = shop.reaches(&id, &["COMPLETED", "CANCELLED"]).await?;
            match (status, order["status"] == "CANCELLED") {
                (StatusCode::ACCEPTED, true) => {
                    cancelled += 1;
                    assert_fully_cancelled(shop, &id).await?;
                }
                // The cancellation was accepted but came too late, or it was refused as too late.
                (StatusCode::ACCEPTED | StatusCode::CONFLICT, false) => {}
                _ => anyhow::bail!("{status} {body}, but: {order:#}"),
            }
        }
        assert_eq!(shop.stock(&product).await?, (940 + cancelled, 0));
        shop.audit_is_clean().await
    });
}

#[test]
fn cancel_after_the_end_is_refused() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 10).await?;
        let completed = shop.place(&Draft::new("CUST-late").line(&product, 1)).await?;
        let failed = shop.place(&Draft::new("CUST-late").line(&product, 1).payment_method("tok_declined")).await?;
        for (id, end) in [(&completed, "COMPLETED"), (&failed, "FAILED")] {
            let before = shop.ends(id, end).await?;
            let (status, problem) = shop.cancel(id).await?;
            assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/order-ended")));
            ensure!(text(&problem, "/detail")?.contains(end), "{problem}");
            assert_eq!(shop.order(id).await?, before);
        }
        assert_eq!(shop.stock(&product).await?, (9, 0));
        Ok(())
    });
}

#[test]
fn an_unknown_order_is_not_found() {
    with_shared_stack(async |shop| {
        for id in ["ord_01930000000070008000000000000001", "nonsense", "CUST-001"] {
            let (status, problem) = shop.cancel(id).await?;
            assert_eq!((status, &problem["type"]), (StatusCode::NOT_FOUND, &json!("/problems/order-not-found")), "{id}");
        }
        Ok(())
    });
}

#[test]
fn an_invalid_cancellation_changes_nothing() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-bad-cancel").line(&product, 1)).await?;
        for (body, expected) in [
            ("{", StatusCode::BAD_REQUEST),
            ("[]", StatusCode::UNPROCESSABLE_ENTITY),
            (r#"{"reason":1}"#, StatusCode::UNPROCESSABLE_ENTITY),
            (r#"{"why":"x"}"#, StatusCode::UNPROCESSABLE_ENTITY),
        ] {
            let (status, problem) = answer(shop.post(&format!("/api/orders/{id}/cancel"), body).await?).await?;
            assert_eq!(status, expected, "{body}: {problem}");
        }
        shop.ends(&id, "COMPLETED").await?;
        Ok(())
    });
}
