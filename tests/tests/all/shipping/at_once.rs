//! A carrier that delivers at once, which is the default. The workflow still needs only one task.

use super::{bookings, notifications_of, product_in, shipment, shipment_statuses};
use crate::{
    orders::statuses,
    payment::ledger,
    support::{Draft, FAST, text, with_own_stack, with_shared_stack},
};
use anyhow::ensure;
use serde_json::json;

#[test]
fn an_order_from_two_warehouses_is_two_shipments() {
    with_shared_stack(async |shop| {
        let (near, far) = (shop.product(1_000, 10).await?, product_in(shop, "NORTH", 250).await?);
        let draft = Draft::new("CUST-ship").line(&far, 1).line(&near, 2).line(&far, 3);
        let id = shop.place(&draft).await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!(statuses(&order), ["PENDING", "RESERVED", "PAID", "SHIPPED", "DELIVERED", "COMPLETED"]);
        assert_eq!(shipment_statuses(&order), ["DELIVERED", "DELIVERED"]);
        for (number, warehouse, product, quantity) in [(1, "MAIN", &near, 2), (2, "NORTH", &far, 4)] {
            let shipment = shipment(&order, number)?;
            assert_eq!((&shipment["warehouse"], &shipment["carrier"]), (&json!(warehouse), &json!("sandbox")));
            assert_eq!(shipment["items"], json!([{ "productID": product.id, "quantity": quantity }]));
            let number = text(shipment, "/trackingNumber")?;
            ensure!(number.starts_with("SBX") && text(shipment, "/trackingUrl")?.ends_with(number), "{shipment}");
        }
        assert_eq!((shop.stock(&near).await?, shop.stock(&far).await?), ((8, 0), (6, 0)));
        assert_eq!(bookings(shop, &id).await?, [1, 1]);
        assert_eq!(notifications_of(shop, &id).await?, [("ORDER_CONFIRMED".to_owned(), 1), ("ORDER_DELIVERED".to_owned(), 1)]);
        shop.audit_is_clean().await
    });
}

#[test]
fn a_lost_parcel_is_refunded_and_the_rest_delivered() {
    with_shared_stack(async |shop| {
        let (good, lost) = (shop.product(1_000, 10).await?, product_in(shop, "SANDBOX-LOST", 250).await?);
        let id = shop.place(&Draft::new("CUST-lost").line(&good, 1).line(&lost, 2)).await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!(shipment_statuses(&order), ["DELIVERED", "LOST"]);
        assert_eq!(order["payment"], json!({ "status": "PARTIALLY_REFUNDED", "amount": 15.0, "refundedAmount": 5.0 }));
        assert_eq!((&order["refunds"][0]["amount"], &order["refunds"][0]["reason"]), (&json!(5.0), &json!("shipment 2 was lost")));
        assert_eq!((shop.stock(&lost).await?, ledger(shop, &id).await?.2), ((8, 0), 1_000), "what is lost does not come back to stock");
        shop.audit_is_clean().await
    });
}

#[test]
fn returned_or_refused_parcels_are_sold_again() {
    with_shared_stack(async |shop| {
        let good = shop.product(1_000, 10).await?;
        for (warehouse, status) in [("SANDBOX-RETURNED", "RETURNED"), ("SANDBOX-REFUSED", "REFUSED")] {
            let other = product_in(shop, warehouse, 250).await?;
            let id = shop.place(&Draft::new("CUST-back").line(&good, 1).line(&other, 2)).await?;
            let order = shop.ends(&id, "COMPLETED").await?;
            assert_eq!((shipment_statuses(&order), shop.stock(&other).await?), (vec!["DELIVERED", status], (10, 0)));
            assert_eq!((&order["payment"]["refundedAmount"], ledger(shop, &id).await?.2), (&json!(5.0), 1_000));
        }
        shop.audit_is_clean().await
    });
}

#[test]
fn an_order_without_any_delivery_fails_and_is_refunded_once() {
    with_shared_stack(async |shop| {
        for (warehouse, stock) in [("SANDBOX-LOST", (8, 0)), ("SANDBOX-RETURNED", (10, 0)), ("SANDBOX-REFUSED", (10, 0))] {
            let product = product_in(shop, warehouse, 250).await?;
            let id = shop.place(&Draft::new("CUST-nothing").line(&product, 2)).await?;
            let order = shop.ends(&id, "FAILED").await?;
            ensure!(text(&order, "/failureReason")?.starts_with("shipment 1 "), "{order}");
            assert_eq!(order["payment"], json!({ "status": "REFUNDED", "amount": 5.0, "refundedAmount": 5.0 }));
            assert_eq!((shop.stock(&product).await?, ledger(shop, &id).await?.2), (stock, 0), "{warehouse}");
        }
        shop.audit_is_clean().await
    });
}

#[test]
fn a_free_order_is_compensated_like_any_other() {
    with_shared_stack(async |shop| {
        let product = product_in(shop, "SANDBOX-REFUSED", 0).await?;
        let order = shop.ends(&shop.place(&Draft::new("CUST-gift").line(&product, 2)).await?, "FAILED").await?;
        assert_eq!((&order["payment"]["status"], shop.stock(&product).await?), (&json!("REFUNDED"), (10, 0)));
        shop.audit_is_clean().await
    });
}

#[test]
fn units_returned_after_delivery_are_sold_again() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-returns").line(&product, 3)).await?;
        shop.ends(&id, "COMPLETED").await?;
        let body = json!({ "items": [{ "productID": product.id, "quantity": 1 }], "restock": true });
        crate::refunds::refunded(shop, &id, &body).await?;
        assert_eq!(shop.stock(&product).await?, (8, 0));
        shop.audit_is_clean().await
    });
}

#[test]
fn without_a_carrier_an_order_is_complete_when_it_is_paid() {
    with_own_stack(1, &[&FAST[..], &[("CARRIER", "none")]].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        let order = shop.ends(&shop.place(&Draft::new("CUST-fetch").line(&product, 2)).await?, "COMPLETED").await?;
        assert_eq!(statuses(&order), ["PENDING", "RESERVED", "PAID", "COMPLETED"]);
        // The units are sold and no longer reserved.
        assert_eq!((&order["shipments"], shop.stock(&product).await?), (&json!(null), (8, 0)));
        let back = json!({ "items": [{ "productID": product.id, "quantity": 1 }], "restock": true });
        crate::refunds::refunded(shop, text(&order, "/id")?, &back).await?;
        assert_eq!(shop.stock(&product).await?, (9, 0));
        shop.audit_is_clean().await
    });
}

/// The parcels move by themselves, and the worker polls the carrier. Then the worker dies, and
/// another one continues.
#[test]
fn slow_parcels_are_tracked_by_another_worker_too() {
    with_own_stack(1, &[&FAST[..], &[("CARRIER_SANDBOX_DELAY_MS", "3000")]].concat(), async |shop| {
        let (near, far) = (shop.product(1_000, 10).await?, product_in(shop, "NORTH", 250).await?);
        let id = shop.place(&Draft::new("CUST-patient").line(&near, 1).line(&far, 1)).await?;
        let order = shop.reaches(&id, &["SHIPPED"]).await?;
        ensure!(shipment_statuses(&order).contains(&"IN_TRANSIT"), "{order}");
        let worker = &shop.stack.workers[0];
        worker.kill().await?;
        worker.start().await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!(statuses(&order), ["PENDING", "RESERVED", "PAID", "SHIPPED", "DELIVERED", "COMPLETED"]);
        assert_eq!((shipment_statuses(&order), bookings(shop, &id).await?), (vec!["DELIVERED", "DELIVERED"], vec![1, 1]));
        let expected = [("ORDER_CONFIRMED", 1), ("ORDER_DELIVERED", 1), ("ORDER_SHIPPED", 2)];
        assert_eq!(notifications_of(shop, &id).await?, expected.map(|(kind, count)| (kind.to_owned(), count)));
        shop.audit_is_clean().await
    });
}
