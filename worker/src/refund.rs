//! Refunds: deciding what may be given back, and recording what was.
//!
//! A refund is decided and recorded in one transaction under the order's lock, the gateway is asked, and its answer is recorded in another. What
//! dies between them goes on from the record: the refund's id is the gateway's idempotency key.

use crate::{notification, order};
use deadpool_postgres::Transaction;
use orders::{
    OrderStatus,
    refund::{RefundInput, What},
};
use std::collections::BTreeMap;

/// What remains to be done about a refund.
pub(crate) enum Decision {
    /// The gateway is to give back this much, in minor units; `again` says that it may have been asked to before.
    Due { amount_minor: i64, again: bool },
    /// It has been decided before, or it is refused.
    Done,
}

/// Records a refund, unless it is on record, and decides what is due. It must not be more than was captured and is not given back, or about to be.
pub(crate) async fn decide(transaction: &Transaction<'_>, refund: &RefundInput) -> anyhow::Result<(OrderStatus, Decision)> {
    let status = order::lock(transaction, refund.order_id).await?;
    let (id, order_id) = (refund.id.to_string(), refund.order_id.to_string());
    if let Some(row) = transaction.query_opt("SELECT state, amount_minor FROM refunds WHERE id = $1", &[&id]).await? {
        let due = row.try_get::<_, &str>(0)? == "PENDING";
        return Ok((status, if due { Decision::Due { amount_minor: row.try_get(1)?, again: true } } else { Decision::Done }));
    }
    let record = "INSERT INTO refunds (id, order_id, state, amount_minor, reason, failure_reason, restock, requested_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let request = &refund.request;
    let (state, Due { amount_minor, units }, refusal) = match due(transaction, refund, status).await? {
        Ok(due) => ("PENDING", due, None),
        Err(refusal) => ("FAILED", Due::default(), Some(refusal)),
    };
    transaction
        .execute(record, &[&id, &order_id, &state, &amount_minor, &request.reason, &refusal, &request.restock, &refund.requested_at])
        .await?;
    if !units.is_empty() {
        let ids: Vec<&str> = units.keys().map(String::as_str).collect();
        let quantities: Vec<i64> = units.values().copied().collect();
        let record = "INSERT INTO refund_items (refund_id, product_id, quantity)
            SELECT $1, product_id, quantity FROM unnest($2::text[], $3::bigint[]) AS i (product_id, quantity)";
        transaction.execute(record, &[&id, &ids, &quantities]).await?;
    }
    order::touch(transaction, refund.order_id).await?;
    Ok((status, if refusal.is_none() { Decision::Due { amount_minor, again: false } } else { Decision::Done }))
}

/// What a new refund comes to.
#[derive(Default)]
struct Due {
    amount_minor: i64,
    /// The units that it is for, if it names any.
    units: BTreeMap<String, i64>,
}

/// What a new refund comes to; else why it is refused.
async fn due(transaction: &Transaction<'_>, refund: &RefundInput, status: OrderStatus) -> anyhow::Result<Result<Due, String>> {
    let order_id = refund.order_id.to_string();
    let paid = "SELECT p.amount_minor - p.refunded_minor - coalesce((
            SELECT sum(r.amount_minor) FROM refunds r WHERE r.order_id = p.order_id AND r.state = 'PENDING'
        ), 0)::bigint
        FROM payments p WHERE p.order_id = $1 AND p.status IN ('CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED')";
    let Some(row) = transaction.query_opt(paid, &[&order_id]).await? else {
        return Ok(Err(format!("nothing is paid: the order is {status}")));
    };
    let rest: i64 = row.try_get(0)?;
    let mut due = match &refund.request.what {
        What::Rest => Due { amount_minor: rest, units: BTreeMap::new() },
        What::Amount(amount_minor) => Due { amount_minor: *amount_minor, units: BTreeMap::new() },
        What::Items(items) => match price(transaction, &order_id, items, false).await? {
            Ok(due) => due,
            Err(refusal) => return Ok(Err(refusal)),
        },
        What::Undelivered(items) => match price(transaction, &order_id, items, true).await? {
            Ok(due) => Due { amount_minor: due.amount_minor.min(rest), ..due },
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    due.units.retain(|_, quantity| *quantity > 0);
    if refund.request.restock
        && let Some(product_id) = still_here(transaction, &order_id, &due, matches!(refund.request.what, What::Rest)).await?
    {
        return Ok(Err(format!("{product_id} has not left yet and cannot come back: cancel the order, or do not restock")));
    }
    Ok(match due.amount_minor {
        0 => Err("everything has been given back".to_owned()),
        amount if amount > rest => Err("it is more than was paid and is not given back yet".to_owned()),
        _ => Ok(due),
    })
}

/// One of the products that are to come back, though the order still holds them: they would be sold again, and shipped as well.
async fn still_here(transaction: &Transaction<'_>, order_id: &str, due: &Due, all: bool) -> anyhow::Result<Option<String>> {
    let held = "SELECT min(product_id) FROM reservations WHERE order_id = $1 AND state = 'HELD' AND ($3 OR product_id = ANY ($2))";
    let units: Vec<&str> = due.units.keys().map(String::as_str).collect();
    Ok(transaction.query_one(held, &[&order_id, &units, &all]).await?.try_get(0)?)
}

/// What units of an order cost, at the prices of its lines; else why they cannot be given back. With `capped`, only those that have not been given
/// back yet.
async fn price(
    transaction: &Transaction<'_>,
    order_id: &str,
    items: &BTreeMap<String, i32>,
    capped: bool,
) -> anyhow::Result<Result<Due, String>> {
    // The prices of one product's lines are the same: the catalogue's.
    let sold = "SELECT product_id, max(unit_price_minor), sum(quantity)::bigint - coalesce((
            SELECT sum(b.quantity) FROM refund_items b JOIN refunds r ON r.id = b.refund_id
            WHERE r.order_id = i.order_id AND b.product_id = i.product_id AND r.state <> 'FAILED'
        ), 0)::bigint
        FROM order_items i WHERE order_id = $1 GROUP BY order_id, product_id";
    let mut left = BTreeMap::new();
    for row in transaction.query(sold, &[&order_id]).await? {
        left.insert(row.try_get::<_, String>(0)?, (row.try_get::<_, i64>(1)?, row.try_get::<_, i64>(2)?));
    }
    let mut due = Due::default();
    for (product_id, quantity) in items {
        let Some((unit_price, left)) = left.get(product_id) else { return Ok(Err(format!("{product_id} is not in the order"))) };
        let quantity = i64::from(*quantity);
        if quantity > *left && !capped {
            return Ok(Err(format!("{product_id}: only {left} units can be given back")));
        }
        let quantity = quantity.min(*left);
        due.amount_minor += unit_price * quantity;
        due.units.insert(product_id.clone(), quantity);
    }
    Ok(Ok(due))
}

/// Records that the gateway has given the refund back: the payment shows it, the customer is told, and units that came back can be sold again.
pub(crate) async fn record_given(transaction: &Transaction<'_>, refund: &RefundInput) -> anyhow::Result<OrderStatus> {
    let (id, order_id) = (refund.id.to_string(), refund.order_id.to_string());
    let status = order::lock(transaction, refund.order_id).await?;
    let given = "UPDATE refunds SET state = 'SUCCEEDED' WHERE id = $1 AND state = 'PENDING' RETURNING amount_minor";
    let Some(row) = transaction.query_opt(given, &[&id]).await? else { return Ok(status) };
    let amount_minor: i64 = row.try_get(0)?;
    // Where all was reversed meanwhile, with the order, this refund is part of it.
    let payment = "UPDATE payments SET refunded_minor = refunded_minor + $2,
            status = CASE WHEN refunded_minor + $2 = amount_minor THEN 'REFUNDED' ELSE 'PARTIALLY_REFUNDED' END
        WHERE order_id = $1 AND status IN ('CAPTURED', 'PARTIALLY_REFUNDED')";
    transaction.execute(payment, &[&order_id, &amount_minor]).await?;
    if refund.request.restock {
        restock(transaction, &id, &order_id, matches!(refund.request.what, What::Rest)).await?;
    }
    notification::record_refund(transaction, &order_id, &id).await?;
    order::touch(transaction, refund.order_id).await?;
    Ok(status)
}

/// Puts a refund's units back; all that the order has when it is for the whole order, but for what a carrier lost. Locks products by id, as everybody
/// does.
async fn restock(transaction: &Transaction<'_>, id: &str, order_id: &str, all: bool) -> anyhow::Result<()> {
    let back = "SELECT h.product_id, CASE WHEN $3 THEN h.quantity - h.returned ELSE least(b.quantity, h.quantity - h.returned) END, h.state = 'HELD'
        FROM reservations h LEFT JOIN refund_items b ON b.refund_id = $1 AND b.product_id = h.product_id
        WHERE h.order_id = $2 AND h.state IN ('HELD', 'COMMITTED') AND ($3 OR b.quantity IS NOT NULL)
        AND NOT EXISTS (
            SELECT FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id
            WHERE s.order_id = h.order_id AND s.status = 'LOST' AND i.product_id = h.product_id
        ) ORDER BY h.product_id";
    let mut units = Vec::new();
    for row in transaction.query(back, &[&id, &order_id, &all]).await? {
        units.push((row.try_get::<_, String>(0)?, row.try_get::<_, i64>(1)?, row.try_get::<_, bool>(2)?));
    }
    for (product_id, quantity, held) in units {
        // What has left the building is not reserved any more.
        let reserved = if held { quantity } else { 0 };
        transaction
            .execute("UPDATE products SET stock = stock + $2, reserved = reserved - $3 WHERE id = $1", &[&product_id, &quantity, &reserved])
            .await?;
        transaction
            .execute(
                "UPDATE reservations SET returned = returned + $3 WHERE order_id = $1 AND product_id = $2",
                &[&order_id, &product_id, &quantity],
            )
            .await?;
    }
    Ok(())
}

/// Records that the gateway refuses the refund for good.
pub(crate) async fn record_refused(transaction: &Transaction<'_>, refund: &RefundInput, reason: &str) -> anyhow::Result<OrderStatus> {
    let status = order::lock(transaction, refund.order_id).await?;
    let refused = "UPDATE refunds SET state = 'FAILED', failure_reason = $2 WHERE id = $1 AND state = 'PENDING'";
    transaction.execute(refused, &[&refund.id.to_string(), &reason]).await?;
    order::touch(transaction, refund.order_id).await?;
    Ok(status)
}
