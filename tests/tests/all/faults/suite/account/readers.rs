//! The account of the read model: what the API shows is what Postgres has.

use crate::faults::suite::site::Site;
use anyhow::Result;
use futures::{StreamExt as _, stream};
use serde_json::Value;
use std::collections::HashMap;

const AT_ONCE: usize = 16;

/// An order as Postgres has it.
struct Order {
    customer: String,
    status: String,
    reason: String,
    version: i64,
}

/// Holds orders as they are shown against Postgres.
pub(in crate::faults::suite) async fn check(site: &Site<'_>, ids: &[String]) -> Result<()> {
    let query = "SELECT id, customer_id, status, coalesce(failure_reason, ''), version FROM orders WHERE id = ANY ($1)";
    let rows = site.shop.db().await?.query(query, &[&ids]).await?;
    let orders: HashMap<String, Order> = rows
        .iter()
        .map(|row| (row.get(0), Order { customer: row.get(1), status: row.get(2), reason: row.get(3), version: row.get(4) }))
        .collect();
    let mut shown =
        stream::iter(orders.iter().map(|(id, order)| async move { (id, order, site.shop.order(id).await) })).buffer_unordered(AT_ONCE);
    while let Some((id, order, shown)) = shown.next().await {
        match shown {
            Ok(shown) if agrees(order, &shown) => {}
            Ok(shown) => site.record.breach(format!("{id} is {} at version {}, and is shown as {shown}", order.status, order.version)),
            Err(error) => site.record.breach(format!("{id} is not shown: {error:#}")),
        }
    }
    Ok(())
}

fn agrees(order: &Order, shown: &Value) -> bool {
    let text = |field: &str| shown[field].as_str().unwrap_or_default();
    let last = shown["history"].as_array().and_then(|history| history.last()).and_then(|change| change["status"].as_str());
    shown["version"] == order.version
        && text("customerID") == order.customer
        && text("status") == order.status
        && text("failureReason") == order.reason
        && last == Some(order.status.as_str())
}
