//! Refunds: deciding what may be given back, and recording what was.
//!
//! A refund is decided and recorded in one transaction under the order's lock, the gateway is asked, and its answer is recorded in another. What
//! dies between them goes on from the record: the refund's id is the gateway's idempotency key.

use crate::{
    failing::{self, Failure, REFUNDS},
    inventory::millis,
    notification, order,
};
use deadpool_postgres::{GenericClient, Transaction};
use orders::{
    OrderId, OrderStatus, RefundId,
    refund::{RefundInput, RefundRequest, What},
};
use std::{collections::BTreeMap, time::Duration};

/// What remains to be done about a refund.
pub(crate) enum Decision {
    Due(Due),
    /// It has been decided before, or it is refused.
    Done,
}

/// A refund that the gateway is to give back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) id: RefundId,
    /// Minor units of the order's currency.
    pub(crate) amount_minor: i64,
    /// The gateway may have been asked before.
    pub(crate) again: bool,
    /// How often the gateway has refused it for now.
    pub(crate) refusals: i32,
    /// It is a failing row, and is asked for again when that is due.
    pub(crate) is_put_off: bool,
}

impl Due {
    /// Its id among the failing rows; it begins with the order's.
    pub(crate) fn row_id(&self, order_id: OrderId) -> String {
        format!("{order_id} {}", self.id)
    }
}

/// Records a refund, unless it is on record, and decides what is due. It must not be more than was captured and is not given back, or about to be; nor
/// may it be for units that another refund is for.
pub(crate) async fn decide(transaction: &Transaction<'_>, refund: &RefundInput) -> anyhow::Result<(OrderStatus, Decision)> {
    let status = order::lock(transaction, refund.order_id).await?;
    let (id, order_id) = (refund.id.to_string(), refund.order_id.to_string());
    let known = "SELECT state, amount_minor, refusals, EXISTS (SELECT FROM failing_rows WHERE loop = $2 AND row_id = order_id || ' ' || id)
        FROM refunds WHERE id = $1";
    if let Some(row) = transaction.query_opt(known, &[&id, &REFUNDS]).await? {
        let (amount_minor, refusals, is_put_off) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let due = Due { id: refund.id, amount_minor, again: true, refusals, is_put_off };
        return Ok((status, if row.try_get::<_, &str>(0)? == "PENDING" { Decision::Due(due) } else { Decision::Done }));
    }
    let record = "INSERT INTO refunds (id, order_id, state, amount_minor, reason, failure_reason, restock, requested_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let request = &refund.request;
    let (state, Claim { amount_minor, units }, refusal) = match claim(transaction, refund, status).await? {
        Ok(claim) => ("PENDING", claim, None),
        Err(refusal) => ("FAILED", Claim::default(), Some(refusal)),
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
    let due = Due { id: refund.id, amount_minor, again: false, refusals: 0, is_put_off: false };
    Ok((status, if refusal.is_none() { Decision::Due(due) } else { Decision::Done }))
}

/// How many refunds of one order may succeed or wait. Each is a row, a workflow and a message.
const MAX_REFUNDS: i64 = 100;

/// What a new refund comes to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Claim {
    amount_minor: i64,
    /// The units that it is for, by product; none when it is for an amount.
    units: BTreeMap<String, i64>,
}

/// The units of one product in an order.
#[derive(Clone, Copy, Debug, Default)]
struct Units {
    unit_price_minor: i64,
    /// Units that no refund is for, so far.
    left: i64,
    held: i64,
    in_transit: i64,
    /// Units that the customer has and no refund is for.
    kept: i64,
}

/// What a new refund comes to; else why it is refused.
async fn claim(transaction: &Transaction<'_>, refund: &RefundInput, status: OrderStatus) -> anyhow::Result<Result<Claim, String>> {
    let order_id = refund.order_id.to_string();
    let paid = "SELECT p.amount_minor - p.refunded_minor - coalesce((
            SELECT sum(r.amount_minor) FROM refunds r WHERE r.order_id = p.order_id AND r.state = 'PENDING'
        ), 0)::bigint,
            (SELECT count(*) FROM refunds r WHERE r.order_id = p.order_id AND r.state <> 'FAILED')
        FROM payments p WHERE p.order_id = $1 AND p.status IN ('CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED')";
    let Some(row) = transaction.query_opt(paid, &[&order_id]).await? else {
        return Ok(Err(format!("nothing is paid: the order is {status}")));
    };
    let (rest, refunds): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    // What a carrier lost is refunded in any case.
    if refunds >= MAX_REFUNDS && !matches!(refund.request.what, What::Undelivered(_)) {
        return Ok(Err(format!("the order has {MAX_REFUNDS} refunds already")));
    }
    Ok(claimed(&refund.request, rest, &units(transaction, &order_id).await?))
}

/// Where an order's units are, by product.
async fn units(transaction: &Transaction<'_>, order_id: &str) -> anyhow::Result<BTreeMap<String, Units>> {
    // The prices of one product's lines are the same: the catalogue's.
    let units = "SELECT i.product_id, i.price, i.quantity - coalesce(c.units, 0), coalesce(u.held, 0), coalesce(u.on_the_way, 0),
            coalesce(u.kept, 0) - coalesce(c.pending, 0)
        FROM (
            SELECT product_id, max(unit_price_minor) AS price, sum(quantity)::bigint AS quantity FROM order_items WHERE order_id = $1 GROUP BY 1
        ) i
        LEFT JOIN order_units u ON u.order_id = $1 AND u.product_id = i.product_id
        LEFT JOIN (
            SELECT b.product_id, sum(b.quantity)::bigint AS units,
                coalesce(sum(b.quantity) FILTER (WHERE r.state = 'PENDING'), 0)::bigint AS pending
            FROM refund_items b JOIN refunds r ON r.id = b.refund_id WHERE r.order_id = $1 AND r.state <> 'FAILED' GROUP BY 1
        ) c ON c.product_id = i.product_id";
    let mut found = BTreeMap::new();
    for row in transaction.query(units, &[&order_id]).await? {
        let (unit_price_minor, left, held) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let of_product = Units { unit_price_minor, left, held, in_transit: row.try_get(4)?, kept: row.try_get(5)? };
        found.insert(row.try_get(0)?, of_product);
    }
    Ok(found)
}

/// What a refund of an order comes to of which `rest` is paid and not given back; else why it is refused.
fn claimed(request: &RefundRequest, rest: i64, units: &BTreeMap<String, Units>) -> Result<Claim, String> {
    let claim = match &request.what {
        What::Amount(amount_minor) => Claim { amount_minor: *amount_minor, units: BTreeMap::new() },
        What::Rest => {
            Claim { amount_minor: rest, units: units.iter().map(|(product_id, units)| (product_id.clone(), units.left)).collect() }
        }
        What::Items(items) => price(units, items, false)?,
        What::Undelivered(items) => {
            let claim = price(units, items, true)?;
            Claim { amount_minor: claim.amount_minor.min(rest), ..claim }
        }
    };
    let claim = Claim { units: claim.units.into_iter().filter(|(_, quantity)| *quantity > 0).collect(), ..claim };
    if request.restock {
        for (product_id, quantity) in &claim.units {
            // Of everything, what a carrier lost does not come back.
            let quantity = if matches!(request.what, What::Rest) { 0 } else { *quantity };
            may_come_back(product_id, quantity, &units[product_id])?;
        }
    }
    // Units may come back that cost nothing, or whose price was given back before.
    let moves_units = !claim.units.is_empty() && (request.restock || !matches!(request.what, What::Rest));
    match claim.amount_minor {
        0 if !moves_units => Err("everything has been given back".to_owned()),
        amount if amount > rest => Err("it is more than was paid and is not given back yet".to_owned()),
        _ => Ok(claim),
    }
}

/// Only what the customer has can come back to stock: what is held or on its way would be sold again, and arrive as well.
fn may_come_back(product_id: &str, quantity: i64, units: &Units) -> Result<(), String> {
    if units.held > 0 {
        return Err(format!("{product_id} has not left yet and cannot come back: cancel the order, or do not restock"));
    }
    if units.in_transit > 0 {
        return Err(format!("{product_id} has not arrived yet and cannot come back: wait for it, or do not restock"));
    }
    if quantity > units.kept {
        return Err(format!("{product_id}: only {} units can come back", units.kept.max(0)));
    }
    Ok(())
}

/// What units of an order cost, at the prices of its lines; else why they cannot be given back. With `capped`, only those that have not been given
/// back yet.
fn price(units: &BTreeMap<String, Units>, items: &BTreeMap<String, i32>, capped: bool) -> Result<Claim, String> {
    let mut claim = Claim::default();
    for (product_id, quantity) in items {
        let Some(units) = units.get(product_id) else { return Err(format!("{product_id} is not in the order")) };
        let (quantity, left) = (i64::from(*quantity), units.left.max(0));
        if quantity > left && !capped {
            return Err(format!("{product_id}: only {left} units can be given back"));
        }
        let quantity = quantity.min(left);
        claim.amount_minor += units.unit_price_minor * quantity;
        claim.units.insert(product_id.clone(), quantity);
    }
    Ok(claim)
}

/// Records that the gateway has given a refund back: the payment shows it, the customer is told, and its units are settled.
pub(crate) async fn record_given(transaction: &Transaction<'_>, order: OrderId, refund: RefundId) -> anyhow::Result<OrderStatus> {
    let (id, order_id) = (refund.to_string(), order.to_string());
    let status = order::lock(transaction, order).await?;
    // Units that do not come back are written off by the table's trigger.
    let given = "UPDATE refunds SET state = 'SUCCEEDED' WHERE id = $1 AND state = 'PENDING' RETURNING amount_minor, restock";
    let Some(row) = transaction.query_opt(given, &[&id]).await? else { return Ok(status) };
    let amount_minor: i64 = row.try_get(0)?;
    // Units alone may come back.
    if amount_minor > 0 {
        // Where all was reversed meanwhile, with the order, this refund is part of it.
        let payment = "UPDATE payments SET refunded_minor = refunded_minor + $2,
                status = CASE WHEN refunded_minor + $2 = amount_minor THEN 'REFUNDED' ELSE 'PARTIALLY_REFUNDED' END
            WHERE order_id = $1 AND status IN ('CAPTURED', 'PARTIALLY_REFUNDED')";
        transaction.execute(payment, &[&order_id, &amount_minor]).await?;
        notification::record_refund(transaction, &order_id, &id).await?;
    }
    if row.try_get(1)? {
        transaction.execute("SELECT settle_units($1, $2)", &[&order_id, &id]).await?;
    }
    order::touch(transaction, order).await?;
    Ok(status)
}

/// Records that the gateway refuses a refund for good.
pub(crate) async fn record_refused(
    transaction: &Transaction<'_>,
    order: OrderId,
    refund: RefundId,
    reason: &str,
) -> anyhow::Result<OrderStatus> {
    let status = order::lock(transaction, order).await?;
    let refused = "UPDATE refunds SET state = 'FAILED', failure_reason = $2 WHERE id = $1 AND state = 'PENDING'";
    transaction.execute(refused, &[&refund.to_string(), &reason]).await?;
    order::touch(transaction, order).await?;
    Ok(status)
}

/// Records that the gateway refuses a refund for now: it is asked for again, under another key, when it is due as a failing row.
pub(crate) async fn record_put_off(transaction: &Transaction<'_>, order: OrderId, due: &Due, why: &anyhow::Error) -> anyhow::Result<()> {
    let refused = "UPDATE refunds SET refusals = greatest(refusals, $2) WHERE id = $1";
    transaction.execute(refused, &[&due.id.to_string(), &(due.refusals + 1)]).await?;
    failing::record(transaction, REFUNDS, &[Failure::new(due.row_id(order), why)]).await
}

/// Takes refunds that wait and are due, so that no other worker does for a while. Failing rows whose money has been given back, or is not owed any more,
/// are removed.
pub(crate) async fn take_put_off(client: &impl GenericClient, limit: i64, taken_for: Duration) -> anyhow::Result<Vec<(OrderId, Due)>> {
    let stale = client
        .prepare_cached(&format!(
            "DELETE FROM failing_rows f WHERE f.loop = $1
            AND NOT EXISTS (SELECT FROM refunds r WHERE r.id = split_part(f.row_id, ' ', 2) AND r.state = 'PENDING')
            AND NOT EXISTS (SELECT FROM orders o WHERE o.id = f.row_id AND o.compensating_since IS NOT NULL AND o.{})",
            order::is_open()
        ))
        .await?;
    client.execute(&stale, &[&REFUNDS]).await?;
    let take = client
        .prepare_cached(
            "WITH taken AS (
                SELECT loop, row_id FROM failing_rows WHERE loop = $1 AND next_attempt_at <= now() AND row_id LIKE '% %'
                ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
            ), later AS (
                UPDATE failing_rows f SET next_attempt_at = now() + $3::bigint * interval '1 ms' FROM taken t
                WHERE f.loop = t.loop AND f.row_id = t.row_id RETURNING f.row_id
            )
            SELECT r.order_id, r.id, r.amount_minor, r.refusals FROM later l JOIN refunds r ON r.id = split_part(l.row_id, ' ', 2)
            WHERE r.state = 'PENDING'",
        )
        .await?;
    let rows = client.query(&take, &[&REFUNDS, &limit, &millis(taken_for)]).await?;
    rows.iter()
        .map(|row| {
            let id = row.try_get::<_, &str>(1)?.parse()?;
            let due = Due { id, amount_minor: row.try_get(2)?, again: true, refusals: row.try_get(3)?, is_put_off: true };
            Ok((row.try_get::<_, &str>(0)?.parse()?, due))
        })
        .collect()
}

/// Ends what refunds of an order are pending: everything is given back with the order.
pub(crate) async fn close(transaction: &Transaction<'_>, order: OrderId) -> anyhow::Result<()> {
    let close = transaction.prepare_cached("UPDATE refunds SET state = 'SUCCEEDED' WHERE order_id = $1 AND state = 'PENDING'").await?;
    transaction.execute(&close, &[&order.to_string()]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> BTreeMap<String, Units> {
        let bought = |unit_price_minor, left| Units { unit_price_minor, left, kept: left, ..Units::default() };
        BTreeMap::from([("GIFT".to_owned(), bought(0, 2)), ("LAMP".to_owned(), bought(1_000, 3))])
    }

    /// What a refund comes to, in minor units, and the units that it is for.
    type Decided<'a> = (i64, Vec<(&'a str, i64)>);

    fn decided(what: What, restock: bool, rest: i64, units: &BTreeMap<String, Units>) -> Result<Decided<'_>, String> {
        let claim = claimed(&RefundRequest { what, reason: None, restock }, rest, units)?;
        let names = |(id, quantity): (&String, &i64)| (units.keys().find(|known| *known == id).unwrap().as_str(), *quantity);
        Ok((claim.amount_minor, claim.units.iter().map(names).collect()))
    }

    fn items(product_id: &str, quantity: i32) -> What {
        What::Items(BTreeMap::from([(product_id.to_owned(), quantity)]))
    }

    #[test]
    fn a_refund_of_everything_names_the_units_that_no_other_is_for() {
        let mut units = order();
        units.insert("BOOK".to_owned(), Units { unit_price_minor: 500, ..Units::default() });
        assert_eq!(decided(What::Rest, true, 3_000, &units), Ok((3_000, vec![("GIFT", 2), ("LAMP", 3)])));
        assert_eq!(decided(What::Amount(700), false, 3_000, &units), Ok((700, Vec::new())));
    }

    #[test]
    fn units_that_cost_nothing_come_back_for_nothing() {
        assert_eq!(decided(items("GIFT", 1), true, 3_000, &order()), Ok((0, vec![("GIFT", 1)])));
        assert_eq!(decided(items("GIFT", 1), false, 0, &order()), Ok((0, vec![("GIFT", 1)])));
        // All money was given back before.
        assert_eq!(decided(What::Rest, true, 0, &order()), Ok((0, vec![("GIFT", 2), ("LAMP", 3)])));
        for (what, restock, units) in [(What::Rest, false, order()), (What::Rest, true, BTreeMap::new())] {
            assert_eq!(decided(what, restock, 0, &units), Err("everything has been given back".to_owned()));
        }
    }

    #[test]
    fn no_unit_is_given_back_twice_and_none_comes_back_that_the_customer_does_not_have() {
        assert_eq!(decided(items("LAMP", 4), false, 9_000, &order()).unwrap_err(), "LAMP: only 3 units can be given back");
        assert_eq!(decided(items("DESK", 1), false, 9_000, &order()).unwrap_err(), "DESK is not in the order");
        assert_eq!(decided(items("LAMP", 3), false, 2_999, &order()).unwrap_err(), "it is more than was paid and is not given back yet");
        let lamps = |units: Units| BTreeMap::from([("LAMP".to_owned(), Units { unit_price_minor: 1_000, left: 3, ..units })]);
        for (units, refusal) in [
            (Units { held: 3, ..Units::default() }, "LAMP has not left yet and cannot come back: cancel the order, or do not restock"),
            (Units { in_transit: 3, ..Units::default() }, "LAMP has not arrived yet and cannot come back: wait for it, or do not restock"),
            (Units { kept: 2, ..Units::default() }, "LAMP: only 2 units can come back"),
        ] {
            assert_eq!(decided(items("LAMP", 3), true, 9_000, &lamps(units)).unwrap_err(), refusal);
            assert_eq!(decided(items("LAMP", 3), false, 9_000, &lamps(units)), Ok((3_000, vec![("LAMP", 3)])));
        }
    }
}
