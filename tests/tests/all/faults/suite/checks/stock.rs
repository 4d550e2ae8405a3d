//! Checks the stock of each product: the units that are left, the movements that explain this
//! number, and the units that are still held.

use super::Order;
use crate::faults::suite::{catalog::Catalog, context::FaultContext, record::Record};
use anyhow::Result;
use std::collections::{BTreeMap, HashMap, HashSet};

pub(super) async fn check(context: &FaultContext<'_>, catalog: &Catalog, restocks: &BTreeMap<usize, i64>, orders: &[Order]) -> Result<()> {
    let (record, db) = (&context.record, context.shop.db().await?);
    // The stock level after each movement of the ledger. The movements of one product are written
    // one after another.
    let levels = "SELECT p.id, p.stock, coalesce(sum(m.quantity), 0)::bigint, coalesce(min(m.level), 0)::bigint FROM products p LEFT JOIN (
            SELECT product_id, quantity, sum(quantity) OVER (PARTITION BY product_id ORDER BY id) AS level FROM stock_movements
        ) m ON m.product_id = p.id GROUP BY p.id";
    let mut stock: HashMap<String, i64> = HashMap::new();
    for row in db.query(levels, &[]).await? {
        let (id, now, ledger, lowest): (String, i64, i64, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
        if now != ledger || lowest < 0 || now < 0 {
            record.breach(format!("of {id} there are {now}, by its ledger {ledger}, and at the lowest there were {lowest}"));
        }
        stock.insert(id, now);
    }
    let kept = kept(record, orders);
    for (index, (product, initial)) in catalog.products.iter().enumerate() {
        let of = |units: &BTreeMap<usize, i64>| units.get(&index).copied().unwrap_or_default();
        let (came, left) = (of(restocks), initial + of(restocks) - of(&kept));
        let stock = stock.get(&product.id).copied();
        if left < 0 || stock != Some(left) {
            record.breach(format!("of {} there were {initial}, {came} came in, {left} should be left, and {stock:?} are", product.id));
        }
    }
    let outlived = "SELECT r.order_id, o.status, r.quantity, r.product_id FROM reservations r JOIN orders o ON o.id = r.order_id
        WHERE r.state = 'HELD' AND o.status IN ('COMPLETED', 'FAILED', 'CANCELLED')";
    for row in db.query(outlived, &[]).await? {
        let (id, status, quantity, product): (String, String, i64, String) = (row.get(0), row.get(1), row.get(2), row.get(3));
        record.breach(format!("{id} is {status} and holds {quantity} of {product}"));
    }
    Ok(())
}

/// Units of each product that the customers of completed orders keep: what they ordered or agreed
/// to, minus what they returned.
fn kept(record: &Record, orders: &[Order]) -> BTreeMap<usize, i64> {
    let completed: HashSet<&str> = orders.iter().filter(|order| order.status == "COMPLETED").map(|order| order.customer.as_str()).collect();
    let mut kept: BTreeMap<usize, i64> = BTreeMap::new();
    for purchase in record.purchases().iter().filter(|purchase| completed.contains(purchase.scenario.customer.as_str())) {
        for line in purchase.lines() {
            *kept.entry(line.product).or_default() += line.units;
        }
        for line in purchase.answers.refunds.iter().flat_map(|refund| &refund.restocked) {
            *kept.entry(line.product).or_default() -= line.units;
        }
    }
    kept
}
