//! Cancelling an order that is with the carrier, which is possible until a parcel has left.

use super::{MANUAL_CARRIER, notifications_of, product_in, send_tracking_event, shipment_statuses, tracking_event};
use crate::{
    histories::{connect, wait_for_event},
    payment::ledger,
    support::{Draft, FAST, FailPoints, SLOW_HEARTBEAT, Shop, until, with_own_stack},
};
use ::orders::{
    OrderWorkflow,
    workflow::{Cancel, OrderWorkflowType},
};
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;
use temporalio_client::WorkflowSignalOptions;

const TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn cancel_takes_booked_parcels_back() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let (near, far) = (shop.product(1_000, 10).await?, product_in(shop, "NORTH", 250).await?);
        let id = shop.place(&Draft::new("CUST-regrets").line(&near, 1).line(&far, 1)).await?;
        until("the parcels are booked", TIMEOUT, async || {
            Ok((shipment_statuses(&shop.order(&id).await?) == ["BOOKED", "BOOKED"]).then_some(()))
        })
        .await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        let order = shop.ends(&id, "CANCELLED").await?;
        assert_eq!(shipment_statuses(&order), ["CANCELLED", "CANCELLED"]);
        assert_eq!((shop.stock(&near).await?, shop.stock(&far).await?), ((10, 0), (10, 0)));
        assert_eq!((&order["payment"]["status"], ledger(shop, &id).await?.2), (&json!("REFUNDED"), 0));
        let expected = [("ORDER_CANCELLED", 1), ("ORDER_CONFIRMED", 1)].map(|(kind, times)| (kind.to_owned(), times));
        until("the customer is notified of the cancellation", TIMEOUT, async || {
            Ok((notifications_of(shop, &id).await? == expected).then_some(()))
        })
        .await?;
        // Later tracking events have no effect, even if the carrier picks up the parcel
        // nevertheless.
        send_tracking_event(shop, &tracking_event(&id, 1, "IN_TRANSIT")).await?;
        assert_eq!(shop.order(&id).await?, order);
        shop.audit_is_clean().await
    });
}

/// The worker dies after the delivery and before the workflow learns of it. A cancellation after
/// that is too late, and the order continues to its end.
#[test]
fn cancel_after_delivery_by_a_dead_worker_is_too_late() {
    let fail_points = FailPoints::new().expect("a folder for fail points");
    let folder = fail_points.folder();
    with_own_stack(1, &[&FAST[..], &[("FAIL_POINTS", folder.as_str())]].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        let worker = &shop.stack.workers[0];
        fail_points.arm("ShipOrder")?;
        let id = shop.place(&Draft::new("CUST-late").line(&product, 1)).await?;
        until("the worker has shipped it and died", TIMEOUT, async || Ok(worker.pid().is_none().then_some(()))).await?;
        assert_eq!(fail_points.armed()?, Vec::<String>::new());
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        worker.start().await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!((shipment_statuses(&order), &order["payment"]["status"]), (vec!["DELIVERED"], &json!("CAPTURED")));
        assert_cancellation_too_late(shop, &id).await?;
        shop.audit_is_clean().await
    });
}

/// The cancellation was answered with 202, so the order must show its result.
async fn assert_cancellation_too_late(shop: &Shop, id: &str) -> Result<()> {
    let order = until("the order shows it", TIMEOUT, async || {
        let order = shop.order(id).await?;
        Ok(order.get("cancellation").is_some().then_some(order))
    })
    .await?;
    assert_eq!(order["cancellation"]["status"], "TOO_LATE", "{order}");
    Ok(())
}

/// The parcel has left, but readers do not see it yet, so the cancellation is accepted. With the
/// next tracking event, the order shows that it came too late.
#[test]
fn cancel_after_the_pickup_shows_that_it_was_too_late() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-left").line(&product, 1)).await?;
        until("the parcel is booked", TIMEOUT, async || Ok((shipment_statuses(&shop.order(&id).await?) == ["BOOKED"]).then_some(())))
            .await?;
        send_tracking_event(shop, &tracking_event(&id, 1, "IN_TRANSIT")).await?;
        shop.reaches(&id, &["SHIPPED"]).await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::CONFLICT, "readers see that it has left");
        assert_eq!(shop.order(&id).await?.get("cancellation"), None, "nobody was promised anything");
        // A handler that reads an outdated order would send this signal.
        let order = connect(shop).await?.get_workflow_handle::<OrderWorkflowType>(id.clone());
        order.signal(OrderWorkflow::cancel, Cancel::default(), WorkflowSignalOptions::default()).await?;
        send_tracking_event(shop, &tracking_event(&id, 1, "DELIVERED")).await?;
        shop.ends(&id, "COMPLETED").await?;
        assert_cancellation_too_late(shop, &id).await?;
        shop.audit_is_clean().await
    });
}

/// The worker dies when one parcel has arrived and the other is lost. The next worker continues to
/// the order's end.
#[test]
fn a_dead_workers_order_is_notified_with_its_real_end() {
    let fail_points = FailPoints::new().expect("a folder for fail points");
    let folder = fail_points.folder();
    with_own_stack(1, &[&FAST[..], &[("FAIL_POINTS", folder.as_str())]].concat(), async |shop| {
        let (near, lost) = (shop.product(1_000, 10).await?, product_in(shop, "SANDBOX-LOST", 250).await?);
        let worker = &shop.stack.workers[0];
        fail_points.arm("ShipOrder")?;
        let id = shop.place(&Draft::new("CUST-half").line(&near, 1).line(&lost, 1)).await?;
        until("the worker has shipped it and died", TIMEOUT, async || Ok(worker.pid().is_none().then_some(()))).await?;
        worker.start().await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!((shipment_statuses(&order), &order["payment"]["refundedAmount"]), (vec!["DELIVERED", "LOST"], &json!(2.5)));
        let expected = ["ORDER_CONFIRMED", "ORDER_DELIVERED", "ORDER_REFUNDED"].map(|kind| (kind.to_owned(), 1));
        assert_eq!(notifications_of(shop, &id).await?, expected);
        shop.audit_is_clean().await
    });
}

/// The carrier accepts the booking, and its answer is lost. The cancellation arrives before the
/// next attempt. It is too late because the parcel has arrived. The order continues to its end
/// without waiting for the next poll.
#[test]
fn cancel_after_a_lost_carrier_answer_is_too_late() {
    with_own_stack(1, &[&FAST[..], &[("RETRY_INITIAL_INTERVAL_MS", "5000")]].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        let mut carrier = shop.db().await?;
        let busy = carrier.transaction().await?;
        busy.batch_execute("LOCK TABLE sandbox.parcels").await?;
        let id = shop.place(&Draft::new("CUST-unheard").line(&product, 1)).await?;
        until("the carrier has not answered", TIMEOUT, async || {
            Ok(shop.logs().lines().any(|line| line.contains(&id) && line.contains("ShipOrder failed")).then_some(()))
        })
        .await?;
        let taken =
            "INSERT INTO sandbox.parcels (shipment_id, outcome, picked_up_at, ended_at) VALUES ($1 || '-1', 'DELIVERED', now(), now())
            ON CONFLICT DO NOTHING";
        busy.execute(taken, &[&id]).await?;
        busy.commit().await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!((shipment_statuses(&order), &order["payment"]["status"]), (vec!["DELIVERED"], &json!("CAPTURED")));
        assert_cancellation_too_late(shop, &id).await?;
        shop.audit_is_clean().await
    });
}

/// The carrier does not answer, and the booking attempt does not notice the cancellation before it
/// fails by itself.
#[test]
fn cancel_during_a_failing_booking_succeeds() {
    with_own_stack(1, &[&SLOW_HEARTBEAT[..], &MANUAL_CARRIER].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        let mut carrier = shop.db().await?;
        let busy = carrier.transaction().await?;
        busy.batch_execute("LOCK TABLE sandbox.parcels").await?;
        let id = shop.place(&Draft::new("CUST-unbooked").line(&product, 1)).await?;
        wait_for_event(shop, &id, "ActivityTaskScheduled").await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        until("the compensation begins", TIMEOUT, async || Ok((shop.order(&id).await?["compensating"] == true).then_some(()))).await?;
        busy.rollback().await?;
        let order = shop.ends(&id, "CANCELLED").await?;
        assert_eq!((shipment_statuses(&order), &order["payment"]["status"]), (vec!["CANCELLED"], &json!("REFUNDED")));
        assert_eq!(shop.stock(&product).await?, (10, 0));
        shop.audit_is_clean().await
    });
}

/// The carrier picks up parcels while cancellations arrive. Each order is either taken back or
/// delivered, and there is no result in between.
#[test]
fn a_race_with_the_carrier_has_one_winner() {
    with_own_stack(1, &[&FAST[..], &[("CARRIER_SANDBOX_DELAY_MS", "300")]].concat(), async |shop| {
        let (near, far) = (shop.product(1_000, 100).await?, product_in(shop, "NORTH", 250).await?);
        shop.db().await?.execute("UPDATE products SET stock = 100 WHERE id = $1", &[&far.id]).await?;
        let draft = Draft::new("CUST-carrier-race").line(&near, 1).line(&far, 1);
        let ids = try_join_all((0..30).map(|_| shop.place(&draft))).await?;
        // Each cancellation is a little later than the one before.
        let mut asked = Vec::new();
        for id in &ids {
            shop.reaches(id, &["PAID", "SHIPPED", "DELIVERED", "COMPLETED"]).await?;
            asked.push(shop.cancel(id).await?.0);
        }
        let orders = try_join_all(ids.iter().map(|id| shop.reaches(id, &["COMPLETED", "CANCELLED"]))).await?;
        let mut kept = 0;
        for (order, asked) in orders.iter().zip(asked) {
            let id = order["id"].as_str().unwrap_or_default();
            let delivered = shipment_statuses(order).iter().filter(|status| **status == "DELIVERED").count();
            match (order["status"] == "COMPLETED", delivered) {
                (true, 1..) => kept += i64::try_from(delivered)?,
                (false, 0) => ensure!(asked == StatusCode::ACCEPTED && ledger(shop, id).await?.2 == 0, "{asked}: {order:#}"),
                _ => anyhow::bail!("{asked}: {order:#}"),
            }
        }
        let (near, far) = (shop.stock(&near).await?, shop.stock(&far).await?);
        assert_eq!((near.0 + far.0, near.1 + far.1), (200 - kept, 0));
        shop.audit_is_clean().await
    });
}
