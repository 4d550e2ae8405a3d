//! Checks Postgres: orders, their histories, and money.

use super::Order;
use crate::{
    faults::suite::{
        context::FaultContext,
        record::{Purchase, Record},
        scenario::total_minor,
    },
    support::Shop,
};
use ::orders::OrderStatus;
use anyhow::Result;
use std::collections::HashMap;

pub(super) struct Facts {
    pub(super) orders: Vec<Order>,
    /// (order, version, status), sorted by version.
    history: Vec<(String, i64, String)>,
    /// By order: the number of captures, and the captured amount minus the refunded amount, in
    /// minor units.
    money: HashMap<String, (i64, i64)>,
}

impl Facts {
    pub(super) async fn read(shop: &Shop) -> Result<Self> {
        let db = shop.db().await?;
        let orders = db
            .query("SELECT id, customer_id, status, coalesce(failure_reason, ''), total_minor, version FROM orders ORDER BY id", &[])
            .await?;
        let history = db.query("SELECT order_id, version, status FROM order_history ORDER BY order_id, version", &[]).await?;
        let money = db
            .query(
                "SELECT idempotency_key, count(*) FILTER (WHERE kind = 'CAPTURE'), sum(CASE kind WHEN 'CAPTURE' THEN amount_minor
                    WHEN 'REFUND' THEN -amount_minor ELSE 0 END)::bigint FROM sandbox.entries GROUP BY 1",
                &[],
            )
            .await?;
        Ok(Self {
            orders: orders
                .iter()
                .map(|row| Order {
                    id: row.get(0),
                    customer: row.get(1),
                    status: row.get(2),
                    reason: row.get(3),
                    total_minor: row.get(4),
                    version: row.get(5),
                })
                .collect(),
            history: history.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect(),
            money: money.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect(),
        })
    }

    pub(super) fn check(&self, context: &FaultContext<'_>) {
        self.check_money(&context.record);
        self.check_history(&context.record);
        for (id, version, status) in &self.history {
            if !context.subscriber.has_received(id, *version) {
                context.record.breach(format!("no event says that {id} was {status} at version {version}"));
            }
        }
        context.subscriber.violations().into_iter().for_each(|violation| context.record.breach(violation));
    }

    /// The captured amount minus refunds must be the price of what the customer kept.
    fn check_money(&self, record: &Record) {
        let purchases = record.purchases();
        let purchases: HashMap<&str, &Purchase> =
            purchases.iter().map(|purchase| (purchase.scenario.customer.as_str(), purchase)).collect();
        let mut money = self.money.clone();
        for order in &self.orders {
            let (captures, kept) = money.remove(&order.id).unwrap_or_default();
            let due = match purchases.get(order.customer.as_str()) {
                Some(purchase) if order.status == "COMPLETED" => {
                    total_minor(purchase.lines()) - purchase.answers.refunds.iter().map(|refund| refund.minor).sum::<i64>()
                }
                _ => 0,
            };
            if kept != due || captures > 1 {
                record.breach(format!("{} is {}, {due} is due, and {captures} captures left {kept}", order.id, order.status));
            }
        }
        for id in money.into_keys() {
            record.breach(format!("{id} was charged, and is no order"));
        }
    }

    fn check_history(&self, record: &Record) {
        let mut last: HashMap<&str, (i64, &str)> = HashMap::new();
        for (id, version, status) in &self.history {
            let legal = match last.insert(id.as_str(), (*version, status.as_str())) {
                None => status == OrderStatus::default().as_str(),
                Some((before, from)) => {
                    before < *version
                        && OrderStatus::TRANSITIONS.iter().any(|known| known.from.as_str() == from && known.to.as_str() == status)
                }
            };
            if !legal {
                record.breach(format!("{id} came to {status} at version {version} in a way that the table does not have"));
            }
        }
        for order in &self.orders {
            if last.get(order.id.as_str()).is_none_or(|(version, status)| *status != order.status || *version > order.version) {
                record.breach(format!("the history of {} does not end with {} at version {}", order.id, order.status, order.version));
            }
        }
    }
}
