//! The account of Postgres: orders, their histories, stock and money.

use super::{Order, Record, Shelf};
use crate::support::Shop;
use ::orders::{OrderStatus, status::TRANSITIONS};
use anyhow::Result;
use std::collections::{BTreeMap, HashMap};

pub(super) struct Books {
    pub(super) orders: Vec<Order>,
    /// (order, version, status), in the order of the versions.
    history: Vec<(String, i64, String)>,
    /// Captures, and what was captured without what was refunded, in minor units.
    money: HashMap<String, (i64, i64)>,
    /// Units that can still be sold.
    stock: HashMap<String, i64>,
}

impl Books {
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
        let stock = db.query("SELECT id, stock FROM products", &[]).await?;
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
            stock: stock.iter().map(|row| (row.get(0), row.get(1))).collect(),
        })
    }

    /// `sold`: units of each product on the shelf.
    pub(super) fn check(&self, record: &Record, shelf: &Shelf, sold: &BTreeMap<usize, i64>) {
        self.check_money(record);
        self.check_history(record);
        for (index, (product, initial)) in shelf.products.iter().enumerate() {
            let left = initial - sold.get(&index).copied().unwrap_or_default();
            let stock = self.stock.get(&product.id).copied();
            if left < 0 || stock != Some(left) {
                record.breach(format!("of {} there were {initial}, {left} should be left, and {stock:?} are", product.id));
            }
        }
    }

    fn check_money(&self, record: &Record) {
        let mut money = self.money.clone();
        for order in &self.orders {
            let (captures, kept) = money.remove(&order.id).unwrap_or_default();
            let due = if order.status == "COMPLETED" { order.total_minor } else { 0 };
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
                    before < *version && TRANSITIONS.iter().any(|(known, to)| known.as_str() == from && to.as_str() == status)
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
