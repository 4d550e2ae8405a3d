//! Decides which orders the shop must review before they are paid. An order needs a review if its
//! customer exceeds a limit within a window of time.
//!
//! The check runs in the transaction that reserves the order, before anything is held. It runs
//! under a lock on the customer, so that orders placed at the same time are counted one after the
//! other. Without limits it sends no query to Postgres.

use crate::{db::millis, order::parse_currency, sql::risk as sql};
use deadpool_postgres::Transaction;
use orders::{Currency, Money, OrderId, OrderStatus, activities::ReviewDecision};
use std::{collections::BTreeMap, time::Duration};

/// The limits on a customer's orders within the window. The shop must review an order that exceeds
/// one of them.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The maximum amount for each currency, in minor units. Other currencies have no limit.
    pub(crate) spend: BTreeMap<&'static str, i64>,
    pub(crate) orders: Option<i64>,
    pub(crate) window: Duration,
}

impl Limits {
    /// Whether there are no limits, so that no order can exceed one.
    pub(crate) fn is_empty(&self) -> bool {
        self.spend.is_empty() && self.orders.is_none()
    }
}

/// The review reason of an order; `None` if the order exceeds no limit.
///
/// The check counts all of the customer's orders that were accepted within the window, except those
/// that failed or were cancelled. Orders that are not reserved yet, or that wait for a decision,
/// count only if they were accepted before this one. So if two orders exceed the limit only
/// together, one of them continues. The caller must have locked the customer.
pub(crate) async fn review_reason(transaction: &Transaction<'_>, order_id: OrderId, limits: &Limits) -> anyhow::Result<Option<String>> {
    if limits.is_empty() {
        return Ok(None);
    }
    let id = order_id.to_string();
    let sql::Order { customer_id, currency: code, total_minor } = sql::find_order(transaction, &id).await?;
    let (bought, waiting) = (BOUGHT.map(OrderStatus::as_str), WAITING.map(OrderStatus::as_str));
    let window_ms = millis(limits.window);
    let recent = sql::count_recent_orders(transaction, &customer_id, &id, &bought, &waiting, &code, window_ms).await?;
    Ok(limits.describe_excess(recent.orders + 1, recent.spent_minor.saturating_add(total_minor), parse_currency(&code)?))
}

impl Limits {
    fn describe_excess(&self, orders: i64, spent: i64, currency: Currency) -> Option<String> {
        let hours = self.window.as_secs().div_ceil(3600);
        if let Some(&limit) = self.spend.get(currency.code()).filter(|limit| spent > **limit) {
            let (spent, limit) = (Money { minor: spent, currency }, Money { minor: limit, currency });
            return Some(format!("{spent} {} within {hours} h; the limit is {limit}", currency.code()));
        }
        let limit = self.orders.filter(|limit| orders > *limit)?;
        Some(format!("{orders} orders within {hours} h; the limit is {limit}"))
    }
}

/// The statuses of orders that are reserved, and of all later stages.
const BOUGHT: [OrderStatus; 5] = {
    use OrderStatus::{Completed, Delivered, Paid, Reserved, Shipped};
    [Reserved, Paid, Shipped, Delivered, Completed]
};
/// The statuses of orders that are not reserved yet.
const WAITING: [OrderStatus; 3] = [OrderStatus::Pending, OrderStatus::ActionRequired, OrderStatus::InReview];

/// Whether the shop has approved an order.
pub(crate) async fn is_approved(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<bool> {
    Ok(sql::is_approved(transaction, &order_id.to_string()).await?.is_approved)
}

/// Records that the shop must review an order. `reason` names the limit that the order exceeds.
pub(crate) async fn request_review(transaction: &Transaction<'_>, order_id: OrderId, reason: &str) -> anyhow::Result<()> {
    sql::request_review(transaction, &order_id.to_string(), reason).await?;
    tracing::info!(%order_id, review_reason = reason, "{order_id}: needs a review: {reason}");
    Ok(())
}

/// Records a review decision, unless there is one already. Returns whether the order is approved.
pub(crate) async fn record_decision(transaction: &Transaction<'_>, decision: &ReviewDecision) -> anyhow::Result<bool> {
    let ReviewDecision { order_id, approved, by, note } = decision;
    Ok(sql::record_decision(transaction, &order_id.to_string(), *approved, by, note.as_deref()).await?.is_approved)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USD: Currency = Currency::USD;

    fn limits(spend: i64, orders: i64) -> Limits {
        Limits { spend: BTreeMap::from([("USD", spend)]), orders: Some(orders), window: Duration::from_secs(86_400) }
    }

    #[test]
    fn a_limit_may_be_reached_and_not_passed() {
        assert_eq!(limits(50_000, 3).describe_excess(3, 50_000, USD), None);
        assert_eq!(limits(50_000, 3).describe_excess(1, 50_001, USD), Some("500.01 USD within 24 h; the limit is 500.00".to_owned()));
        assert_eq!(limits(50_000, 3).describe_excess(4, 1, USD), Some("4 orders within 24 h; the limit is 3".to_owned()));
    }

    #[test]
    fn a_currency_without_a_limit_has_none() {
        assert_eq!(limits(1, 9).describe_excess(1, i64::MAX, Currency::EUR), None);
    }

    #[test]
    fn every_order_counts_that_is_open_or_bought() {
        let ended = |status: &&OrderStatus| !BOUGHT.contains(status) && !WAITING.contains(status);
        let left_out: Vec<_> = OrderStatus::ALL.iter().filter(ended).collect();
        assert_eq!(left_out, [&OrderStatus::Failed, &OrderStatus::Cancelled]);
    }
}
