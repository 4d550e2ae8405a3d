//! `POST /api/webhooks/carrier`: tracking events of a carrier, in any order and repeated.

use super::{
    MANUAL_CARRIER, SECRET, notifications_of, now, product_in, send, send_tracking_event, shipment, shipment_statuses, signature,
    tracking_event,
};
use crate::{
    orders::statuses,
    payment::ledger,
    refunds::refunded,
    support::{Draft, FAST, Function, until, with_own_stack, with_shared_stack},
};
use anyhow::{Result, ensure};
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn tracking_events_lead_an_order_to_its_end() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let (near, far) = (shop.product(1_000, 10).await?, product_in(shop, "NORTH", 250).await?);
        let place = async || shop.place(&Draft::new("CUST-scans").line(&near, 1).line(&far, 1)).await;
        let booked = async |id: &str| -> Result<()> {
            until("the parcels are booked", TIMEOUT, async || {
                Ok((shipment_statuses(&shop.order(id).await?) == ["BOOKED", "BOOKED"]).then_some(()))
            })
            .await
        };
        let (good, lost, gone, backwards) = (place().await?, place().await?, place().await?, place().await?);
        for id in [&good, &lost, &gone, &backwards] {
            booked(id).await?;
            assert_eq!(shop.order(id).await?["status"], "PAID");
        }
        assert_eq!(shop.stock(&near).await?, (6, 4));

        // Events in order, each twice. The order cannot be cancelled meanwhile.
        for _ in 0..2 {
            send_tracking_event(shop, &tracking_event(&good, 1, "IN_TRANSIT")).await?;
        }
        let order = shop.reaches(&good, &["SHIPPED"]).await?;
        assert_eq!((shipment_statuses(&order), shop.stock(&near).await?), (vec!["IN_TRANSIT", "BOOKED"], (6, 3)));
        let (status, problem) = shop.cancel(&good).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/order-ended")));
        for (number, event) in [(2, "IN_TRANSIT"), (1, "DELIVERED"), (1, "DELIVERED"), (2, "DELIVERED")] {
            send_tracking_event(shop, &tracking_event(&good, number, event)).await?;
        }
        let order = shop.ends(&good, "COMPLETED").await?;
        assert_eq!(statuses(&order), ["PENDING", "RESERVED", "PAID", "SHIPPED", "DELIVERED", "COMPLETED"]);
        let kinds: Vec<String> = notifications_of(shop, &good).await?.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds[..2], ["ORDER_CONFIRMED", "ORDER_DELIVERED"]);

        // The last event arrives first. The events after it change nothing.
        for (number, event) in [(1, "DELIVERED"), (1, "IN_TRANSIT"), (1, "LOST"), (2, "DELIVERED")] {
            send_tracking_event(shop, &tracking_event(&backwards, number, event)).await?;
        }
        assert_eq!(shipment_statuses(&shop.ends(&backwards, "COMPLETED").await?), ["DELIVERED", "DELIVERED"]);

        // One parcel is lost.
        let mut loss = tracking_event(&lost, 2, "LOST");
        loss["reason"] = json!("it fell off the truck");
        for message in [&loss, &tracking_event(&lost, 1, "DELIVERED"), &loss] {
            send_tracking_event(shop, message).await?;
        }
        let order = shop.ends(&lost, "COMPLETED").await?;
        assert_eq!(shipment(&order, 2)?["reason"], "it fell off the truck");
        assert_eq!(order["payment"], json!({ "status": "PARTIALLY_REFUNDED", "amount": 12.5, "refundedAmount": 2.5 }));

        // No parcel arrives: one is lost, and the other returns to the warehouse.
        send_tracking_event(shop, &tracking_event(&gone, 1, "LOST")).await?;
        send_tracking_event(shop, &tracking_event(&gone, 2, "RETURNED")).await?;
        let order = shop.ends(&gone, "FAILED").await?;
        assert_eq!((&order["payment"]["status"], ledger(shop, &gone).await?.2), (&json!("REFUNDED"), 0));
        assert_eq!((shop.stock(&near).await?, shop.stock(&far).await?), ((6, 0), (7, 0)));

        // A tracking event cannot change an order that has ended.
        send_tracking_event(shop, &tracking_event(&gone, 1, "DELIVERED")).await?;
        assert_eq!(shop.order(&gone).await?["version"], order["version"]);
        ensure!(shop.logs().contains("changes nothing"), "it is not in the log");
        shop.audit_is_clean().await?;

        // The Lambda function accepts the same events.
        let id = place().await?;
        booked(&id).await?;
        let mut function =
            Function::start_with(shop, "carrier-webhook", &[("CARRIER_WEBHOOK_SECRET".to_owned(), SECRET.to_owned())]).await?;
        for number in [1, 2] {
            let body = tracking_event(&id, number, "DELIVERED").to_string();
            let mut event = Function::event("POST", "/api/webhooks/carrier", Some(&body));
            event["headers"]["carrier-signature"] = json!(signature(&body, SECRET, now()));
            assert_eq!(function.answer(&event).await?, (200, json!({ "received": true })));
        }
        shop.ends(&id, "COMPLETED").await?;
        shop.audit_is_clean().await
    });
}

/// Staff refund a unit of a parcel that is lost later.
#[test]
fn a_lost_parcel_is_refunded_minus_earlier_refunds() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let (near, far) = (shop.product(1_000, 10).await?, product_in(shop, "NORTH", 250).await?);
        let id = shop.place(&Draft::new("CUST-partly").line(&near, 1).line(&far, 3)).await?;
        until("the parcels are booked", TIMEOUT, async || {
            Ok((shipment_statuses(&shop.order(&id).await?) == ["BOOKED", "BOOKED"]).then_some(()))
        })
        .await?;
        let unit = json!({ "items": [{ "productID": far.id, "quantity": 1 }], "reason": "by kindness" });
        assert_eq!(refunded(shop, &id, &unit).await?.0["payment"]["refundedAmount"], json!(2.5));
        send_tracking_event(shop, &tracking_event(&id, 2, "LOST")).await?;
        send_tracking_event(shop, &tracking_event(&id, 1, "DELIVERED")).await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!((&order["payment"]["refundedAmount"], ledger(shop, &id).await?.2), (&json!(7.5), 1_000));
        shop.audit_is_clean().await
    });
}

#[test]
fn webhooks_without_a_valid_signature_are_refused() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-forged").line(&product, 1)).await?;
        until("the parcel is booked", TIMEOUT, async || Ok((shipment_statuses(&shop.order(&id).await?) == ["BOOKED"]).then_some(())))
            .await?;
        let body = tracking_event(&id, 1, "DELIVERED").to_string();
        let other = body.replace("DELIVERED", "LOST");
        for (body, signature) in [
            (&body, String::new()),
            (&body, "t=1,v1=zz".to_owned()),
            (&body, signature(&body, "another secret", now())),
            (&other, signature(&body, SECRET, now())),
            (&body, signature(&body, SECRET, now() - 301)),
            (&body, signature(&body, SECRET, now() + 302)),
        ] {
            let (status, problem) = send(shop, body, &signature).await?;
            assert_eq!((status, &problem["type"]), (StatusCode::BAD_REQUEST, &json!("/problems/invalid-signature")), "{signature}");
        }
        for (body, expected) in [
            ("{".to_owned(), StatusCode::BAD_REQUEST),
            (body.replace("DELIVERED", "BOOKED"), StatusCode::UNPROCESSABLE_ENTITY),
            (body.replace(&id, "ord_01930000000070008000000000000001"), StatusCode::NOT_FOUND),
        ] {
            assert_eq!(send(shop, &body, &signature(&body, SECRET, now())).await?.0, expected, "{body}");
        }
        // The order has one parcel only. An event for another one is a finding for staff, and
        // changes nothing.
        send_tracking_event(shop, &tracking_event(&id, 2, "LOST")).await?;
        until("staff are shown it and dismiss it", TIMEOUT, async || {
            let dismissed = shop.stack.run("worker", &["dismiss", &format!("{id}-2")]).await?;
            Ok(dismissed.status.success().then_some(()))
        })
        .await?;
        let big = format!("{}{}", body, " ".repeat(70_000));
        assert_eq!(send(shop, &big, &signature(&big, SECRET, now())).await?.0, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!((&shop.order(&id).await?["status"], shipment_statuses(&shop.order(&id).await?)), (&json!("PAID"), vec!["BOOKED"]));

        // While Temporal is unreachable, the answer makes the carrier send the event again.
        shop.stack.temporal.stop().await?;
        let (status, _) = send(shop, &body, &signature(&body, SECRET, now())).await?;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        shop.stack.temporal.start().await?;
        until("the event is accepted", TIMEOUT, async || {
            let (status, _) = send(shop, &body, &signature(&body, SECRET, now())).await?;
            Ok((status == StatusCode::OK).then_some(()))
        })
        .await?;
        shop.ends(&id, "COMPLETED").await?;
        shop.audit_is_clean().await
    });
}

#[test]
fn without_a_secret_there_is_no_webhook() {
    with_shared_stack(async |shop| {
        let body = tracking_event("ord_01930000000070008000000000000001", 1, "DELIVERED").to_string();
        let (status, problem) = send(shop, &body, &signature(&body, "", now())).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::NOT_FOUND, &json!("/problems/not-found")));
        Ok(())
    });
}
