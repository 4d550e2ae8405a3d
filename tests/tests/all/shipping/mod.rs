//! Shipping: one shipment per warehouse, which is tracked to its end, and refunded if it does not
//! arrive.

mod at_once;
mod cancel;
mod webhook;

use crate::support::{Product, Shop, answer};
use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use ring::hmac;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The secret with which the carrier signs.
const SECRET: &str = "whsec_of_the_carrier";
/// Settings of a carrier that changes nothing during the test, except through the test's own
/// webhook calls.
pub(crate) const MANUAL_CARRIER: [(&str, &str); 2] = [("CARRIER_SANDBOX_DELAY_MS", "3600000"), ("CARRIER_WEBHOOK_SECRET", SECRET)];

/// A product in another warehouse.
pub(crate) async fn product_in(shop: &Shop, warehouse: &str, price_minor: i64) -> Result<Product> {
    let product = shop.product(price_minor, 10).await?;
    shop.db().await?.execute("UPDATE products SET warehouse = $2 WHERE id = $1", &[&product.id, &warehouse]).await?;
    Ok(product)
}

/// The order's shipment with this number, as readers see it.
fn shipment(order: &Value, number: usize) -> Result<&Value> {
    let id = format!("{}-{number}", order["id"].as_str().unwrap_or_default());
    let mut shipments = order["shipments"].as_array().into_iter().flatten();
    shipments.find(|shipment| shipment["id"] == *id).with_context(|| format!("no {id} in {order}"))
}

/// The statuses of an order's shipments.
pub(crate) fn shipment_statuses(order: &Value) -> Vec<&str> {
    order["shipments"].as_array().into_iter().flatten().filter_map(|shipment| shipment["status"].as_str()).collect()
}

/// The types of an order's notifications, each with how often it was recorded.
async fn notifications_of(shop: &Shop, id: &str) -> Result<Vec<(String, i64)>> {
    let kinds = "SELECT type, count(*) FROM notifications WHERE order_id = $1 GROUP BY type ORDER BY type";
    Ok(shop.db().await?.query(kinds, &[&id]).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// How often each parcel of an order was booked with the carrier.
async fn bookings(shop: &Shop, id: &str) -> Result<Vec<i32>> {
    let bookings = "SELECT bookings FROM sandbox.parcels WHERE shipment_id LIKE $1 || '-%' ORDER BY shipment_id";
    Ok(shop.db().await?.query(bookings, &[&id]).await?.iter().map(|row| row.get(0)).collect())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The signature header that the carrier sends with a body.
fn signature(body: &str, secret: &str, at: u64) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), format!("{at}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

/// A tracking event of a shipment, as the carrier sends it.
pub(crate) fn tracking_event(id: &str, number: usize, event: &str) -> Value {
    json!({ "id": format!("evt-{event}-{number}"), "shipmentID": format!("{id}-{number}"), "event": event, "time": "2026-11-21T12:00:00Z" })
}

async fn send(shop: &Shop, body: &str, signature: &str) -> Result<(StatusCode, Value)> {
    let request = shop.request(Method::POST, "/api/webhooks/carrier").header("content-type", "application/json");
    answer(request.header("carrier-signature", signature).body(body.to_owned()).send().await?).await
}

/// Sends a tracking event with a valid signature, which must be accepted.
pub(crate) async fn send_tracking_event(shop: &Shop, message: &Value) -> Result<()> {
    let body = message.to_string();
    let (status, answer) = send(shop, &body, &signature(&body, SECRET, now())).await?;
    ensure!((status, &answer) == (StatusCode::OK, &json!({ "received": true })), "{message} is answered with {status} {answer}");
    Ok(())
}
