//! Checks the read model: the API must show what Postgres has.

use crate::{faults::suite::context::FaultContext, support::is_updated_last};
use ::orders::{Currency, Money};
use anyhow::Result;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio_postgres::Row;

const AT_ONCE: usize = 16;

/// An order, either as Postgres has it or as the API shows it.
#[derive(Debug, PartialEq)]
struct Order {
    customer: String,
    status: String,
    reason: String,
    version: i64,
    total_minor: i64,
    /// The payment's status, and the refunded amount.
    payment: Option<(String, i64)>,
    /// The units on all lines.
    units: i64,
    /// The statuses of the parcels.
    shipments: Vec<String>,
    /// Every status that the order has had.
    history: Vec<String>,
}

/// Compares the orders that the API shows with Postgres.
pub(in crate::faults::suite) async fn check(context: &FaultContext<'_>, ids: &[String]) -> Result<()> {
    let query =
        "SELECT o.id, o.customer_id, o.status, coalesce(o.failure_reason, ''), o.version, o.total_minor, p.status, p.refunded_minor,
            (SELECT coalesce(sum(quantity), 0)::bigint FROM order_items WHERE order_id = o.id),
            ARRAY(SELECT status FROM shipments WHERE order_id = o.id ORDER BY number),
            ARRAY(SELECT status FROM order_history WHERE order_id = o.id ORDER BY version)
        FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE o.id = ANY ($1)";
    let rows = context.shop.db().await?.query(query, &[&ids]).await?;
    let orders: HashMap<String, Order> = rows.iter().map(|row| (row.get(0), on_record(row))).collect();
    let mut shown =
        stream::iter(orders.iter().map(|(id, order)| async move { (id, order, context.shop.order(id).await) })).buffer_unordered(AT_ONCE);
    while let Some((id, order, shown)) = shown.next().await {
        match shown {
            Ok(shown) if !is_updated_last(&shown) => context.record.breach(format!("{id} shows a time after its updatedAt: {shown}")),
            Ok(shown) if as_shown(&shown).as_ref() == Some(order) => {}
            Ok(shown) => context.record.breach(format!("{id} is {order:?}, and is shown as {shown}")),
            Err(error) => context.record.breach(format!("{id} is not shown: {error:#}")),
        }
    }
    Ok(())
}

fn on_record(row: &Row) -> Order {
    Order {
        customer: row.get(1),
        status: row.get(2),
        reason: row.get(3),
        version: row.get(4),
        total_minor: row.get(5),
        payment: row.get::<_, Option<String>>(6).zip(row.get(7)),
        units: row.get(8),
        shipments: row.get(9),
        history: row.get(10),
    }
}

fn as_shown(order: &Value) -> Option<Order> {
    let all = |field: &str| order[field].as_array().into_iter().flatten();
    let statuses = |field: &str| all(field).map(|one| Some(one["status"].as_str()?.to_owned())).collect::<Option<Vec<_>>>();
    let payment = &order["payment"];
    Some(Order {
        customer: order["customerID"].as_str()?.to_owned(),
        status: order["status"].as_str()?.to_owned(),
        reason: order["failureReason"].as_str().unwrap_or_default().to_owned(),
        version: order["version"].as_i64()?,
        total_minor: minor(&order["totalAmount"])?,
        payment: payment["status"].as_str().map(|status| (status.to_owned(), minor(&payment["refundedAmount"]).unwrap_or_default())),
        units: all("items").map(|item| item["quantity"].as_i64()).sum::<Option<i64>>()?,
        shipments: statuses("shipments")?,
        history: statuses("history")?,
    })
}

/// All prices of a run are in one currency.
fn minor(amount: &Value) -> Option<i64> {
    Money::parse(&amount.to_string(), Currency::USD).ok().map(|money| money.minor)
}

#[test]
fn a_difference_in_the_read_model_is_noticed() {
    let shown = json!({
        "customerID": "CUST-1", "status": "COMPLETED", "failureReason": null, "version": 7, "totalAmount": 20.5,
        "payment": { "status": "PARTIALLY_REFUNDED", "amount": 20.5, "refundedAmount": 3 },
        "items": [{ "quantity": 2 }, { "quantity": 1 }], "shipments": [{ "status": "DELIVERED" }],
        "history": [{ "status": "PENDING" }, { "status": "COMPLETED" }],
    });
    let order = as_shown(&shown).unwrap();
    assert_eq!((order.total_minor, order.units, order.payment.as_ref().unwrap().1), (2_050, 3, 300));
    for (pointer, other) in [
        ("/totalAmount", json!(20.51)),
        ("/payment/status", json!("CAPTURED")),
        ("/payment/refundedAmount", json!(4)),
        ("/items/1/quantity", json!(2)),
        ("/shipments/0/status", json!("IN_TRANSIT")),
        ("/history/0/status", json!("PAID")),
    ] {
        let mut wrong = shown.clone();
        *wrong.pointer_mut(pointer).unwrap() = other;
        assert_ne!(as_shown(&wrong).as_ref(), Some(&order), "{pointer}");
    }
}
