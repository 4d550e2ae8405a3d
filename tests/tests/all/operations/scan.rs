//! `POST /api/orders/{id}/shipments/{shipmentID}/scans`: staff record tracking events, as a carrier
//! would.

use crate::{
    orders::statuses,
    shipping::{MANUAL_CARRIER, product_in, shipment_statuses},
    support::{Draft, FAST, Function, Pool, SecondApi, Shop, answer, until, with_own_stack, with_shared_stack},
};
use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);
const UNKNOWN: &str = "ord_01930000000070008000000000000001";

async fn record_scan(shop: &Shop, id: &str, shipment: &str, body: &Value) -> Result<(StatusCode, Value)> {
    answer(shop.post(&format!("/api/orders/{id}/shipments/{shipment}/scans"), body.to_string()).await?).await
}

#[test]
fn staff_can_record_all_tracking_events_of_an_order() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let (near, far) = (shop.product(1_000, 10).await?, product_in(shop, "NORTH", 250).await?);
        let id = shop.place(&Draft::new("CUST-marked").line(&near, 1).line(&far, 1)).await?;
        until("the parcels are booked", TIMEOUT, async || {
            Ok((shipment_statuses(&shop.order(&id).await?) == ["BOOKED", "BOOKED"]).then_some(()))
        })
        .await?;
        let record = async |number: usize, body: Value| {
            let answered = record_scan(shop, &id, &format!("{id}-{number}"), &body).await?;
            assert_eq!(answered, (StatusCode::OK, json!({ "received": true })), "{body}");
            anyhow::Ok(())
        };
        // Each event is sent twice, like a double click.
        for _ in 0..2 {
            record(1, json!({ "event": "IN_TRANSIT" })).await?;
        }
        shop.reaches(&id, &["SHIPPED"]).await?;

        for (shipment, kind) in [(format!("{id}-3"), "shipment"), ("nothing".to_owned(), "shipment"), (format!("{UNKNOWN}-1"), "shipment")]
        {
            let (status, problem) = record_scan(shop, &id, &shipment, &json!({ "event": "LOST" })).await?;
            assert_eq!((status, &problem["type"]), (StatusCode::NOT_FOUND, &json!(format!("/problems/{kind}-not-found"))), "{shipment}");
        }
        for (body, pointer) in
            [(json!({}), "/event"), (json!({ "event": "BOOKED" }), "/event"), (json!({ "event": "LOST", "at": 1 }), "/at")]
        {
            let (status, problem) = record_scan(shop, &id, &format!("{id}-1"), &body).await?;
            assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)), "{body}");
        }

        for _ in 0..2 {
            record(2, json!({ "event": "RETURNED", "reason": "nobody was at home" })).await?;
            record(1, json!({ "event": "DELIVERED" })).await?;
        }
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!(statuses(&order), ["PENDING", "RESERVED", "PAID", "SHIPPED", "DELIVERED", "COMPLETED"]);
        assert_eq!(
            (shipment_statuses(&order), &order["shipments"][1]["reason"]),
            (vec!["DELIVERED", "RETURNED"], &json!("nobody was at home"))
        );
        assert_eq!(order["payment"], json!({ "status": "PARTIALLY_REFUNDED", "amount": 12.5, "refundedAmount": 2.5 }));
        assert_eq!((shop.stock(&near).await?, shop.stock(&far).await?), ((9, 0), (10, 0)));

        // A tracking event cannot change an order that has ended.
        record(1, json!({ "event": "LOST" })).await?;
        assert_eq!(shop.order(&id).await?["version"], order["version"]);
        shop.audit_is_clean().await
    });
}

#[test]
fn customers_cannot_record_tracking_events() {
    with_shared_stack(async |shop| {
        let (status, problem) = record_scan(shop, UNKNOWN, &format!("{UNKNOWN}-1"), &json!({ "event": "LOST" })).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::NOT_FOUND, &json!("/problems/order-not-found")));

        let pool = Pool::create(shop).await?;
        let (ada, staff) = (pool.user("ada", None).await?, pool.user("sue", Some("admin")).await?);
        let mut function = Function::start_with(shop, "scan-shipment", &pool.settings()).await?;
        let event = Function::event("POST", &format!("/api/orders/{UNKNOWN}/shipments/{UNKNOWN}-1/scans"), Some(r#"{"event":"LOST"}"#));
        assert_eq!(function.answer(&event).await?.0, 401);
        for (user, status) in [(&ada, 403), (&staff, 404)] {
            let mut event = event.clone();
            event["headers"]["authorization"] = format!("Bearer {}", user.access).into();
            assert_eq!(function.answer(&event).await?.0, status);
        }
        Ok(())
    });
}

#[test]
fn no_log_names_who_recorded_a_tracking_event() {
    with_shared_stack(async |shop| {
        let pool = Pool::create(shop).await?;
        let (api, staff) = (SecondApi::start(shop, &pool.settings()).await?, pool.user("sue", Some("staff")).await?);
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-marked-late").line(&product, 1)).await?;
        shop.ends(&id, "COMPLETED").await?;
        let scan = api.request(Method::POST, &format!("/api/orders/{id}/shipments/{id}-1/scans")).bearer_auth(&staff.access);
        let answered = answer(scan.json(&json!({ "event": "LOST" })).send().await?).await?;
        assert_eq!(answered, (StatusCode::OK, json!({ "received": true })));
        let log = shop.log(&api.log);
        ensure!(log.contains(&format!("so LOST of {id}-1 changes nothing")), "{log}");
        ensure!(!log.contains(&staff.id), "{} is in the log", staff.id);
        Ok(())
    });
}
