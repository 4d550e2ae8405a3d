//! The account of the read model: what the API shows is what Postgres has.

use super::{Order, Site};
use anyhow::Result;
use futures::{StreamExt as _, stream};
use serde_json::Value;

const AT_ONCE: usize = 16;

pub(super) async fn check(site: &Site<'_>, orders: &[Order]) -> Result<()> {
    let mut shown =
        stream::iter(orders.iter().map(|order| async move { (order, site.shop.order(&order.id).await) })).buffer_unordered(AT_ONCE);
    while let Some((order, shown)) = shown.next().await {
        match shown {
            Ok(shown) if agrees(order, &shown) => {}
            Ok(shown) => {
                site.record.breach(format!("{} is {} at version {}, and is shown as {shown}", order.id, order.status, order.version));
            }
            Err(error) => site.record.breach(format!("{} is not shown: {error:#}", order.id)),
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
