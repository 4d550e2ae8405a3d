//! Refunds: deciding what may be refunded, and recording the result.
//!
//! A refund is decided on and recorded in one transaction, under the order's lock. Then the gateway
//! is asked, and its answer is recorded in another transaction. If a worker dies in between,
//! another one continues from the record. The refund's id is the idempotency key at the gateway, so
//! the refund is made only once.

use crate::{
    db::millis,
    notification,
    ops::failing::{self, Failure, REFUNDS},
    ops::metrics,
    order,
    sql::Client,
    sql::refund as sql,
};
use deadpool_postgres::Transaction;
use orders::{
    OrderId, OrderStatus, RefundId,
    refund::{RefundInput, RefundRequest, What},
    status::{PaymentStatus, RefundStatus},
};
use platform::trace::OrderTrace;
use std::{collections::BTreeMap, time::Duration};

/// What remains to be done about a refund.
pub(crate) enum Decision {
    Due(Due),
    /// Nothing: the refund has already succeeded or failed, or it is refused.
    Done,
}

/// A refund for which the gateway must be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) id: RefundId,
    /// In minor units of the order's currency.
    pub(crate) amount_minor: i64,
    /// True if the gateway may have been asked for this refund before.
    pub(crate) may_be_known: bool,
    /// How often the gateway has temporarily refused this refund.
    pub(crate) refusals: i32,
    /// True if the refund is a failing row. It is then repeated when the row is due.
    pub(crate) is_failing: bool,
}

impl Due {
    /// The refund's id among the failing rows: the order's id, a space, and the refund's id.
    pub(crate) fn row_id(&self, order_id: OrderId) -> String {
        format!("{order_id} {}", self.id)
    }
}

/// Records a refund, unless it is on record, and decides what remains to be done. The amount must
/// not exceed the captured amount minus all refunds that succeeded or are pending. The units must
/// not belong to another refund. Otherwise the refund is recorded as failed.
pub(crate) async fn decide_refund(transaction: &Transaction<'_>, refund: &RefundInput) -> anyhow::Result<(OrderStatus, Decision)> {
    let status = order::lock_order(transaction, refund.order_id).await?;
    let (id, order_id) = (refund.id.to_string(), refund.order_id.to_string());
    if let Some(recorded) = sql::find_refund(transaction, &id, REFUNDS).await? {
        let sql::Refund { state, amount_minor, refusals, is_failing } = recorded;
        let due = Due { id: refund.id, amount_minor, may_be_known: true, refusals, is_failing };
        return Ok((status, if state.parse() == Ok(RefundStatus::Pending) { Decision::Due(due) } else { Decision::Done }));
    }
    let request = &refund.request;
    let (state, ApprovedRefund { amount_minor, units }, refusal) = match load_and_check(transaction, refund, status).await? {
        Ok(approved) => (RefundStatus::Pending, approved, None),
        Err(refusal) => (RefundStatus::Failed, ApprovedRefund::default(), Some(refusal)),
    };
    let new = sql::NewRefund {
        id: &id,
        order_id: &order_id,
        state: state.as_str(),
        amount_minor,
        reason: request.reason.as_deref(),
        failure_reason: refusal.as_deref(),
        restock: request.restock,
        requested_at: refund.requested_at,
    };
    sql::insert_refund(transaction, new).await?;
    if !units.is_empty() {
        let products: Vec<&str> = units.keys().map(String::as_str).collect();
        let quantities: Vec<i64> = units.values().copied().collect();
        sql::insert_refund_items(transaction, &id, &products, &quantities).await?;
    }
    order::raise_version(transaction, refund.order_id).await?;
    let due = Due { id: refund.id, amount_minor, may_be_known: false, refusals: 0, is_failing: false };
    Ok((status, if refusal.is_none() { Decision::Due(due) } else { Decision::Done }))
}

/// The maximum number of an order's refunds that succeeded or are pending. Each costs a row, a
/// workflow and a notification.
const MAX_REFUNDS: i64 = 100;

/// The amount and the units of a new refund.
#[derive(Debug, Default, PartialEq, Eq)]
struct ApprovedRefund {
    amount_minor: i64,
    /// The number of units by product id; empty if the refund is for an amount.
    units: BTreeMap<String, i64>,
}

/// The units of one product in an order.
#[derive(Clone, Copy, Debug, Default)]
struct Units {
    unit_price_minor: i64,
    /// Units that do not belong to a refund.
    left: i64,
    /// Units that have not left yet.
    held: i64,
    /// Units that have left and have not arrived.
    in_transit: i64,
    /// Units that the customer has and that do not belong to a refund.
    kept: i64,
}

/// Reads the order's units and the rest of its payment, and checks the refund against them. Returns
/// the amount and the units of the refund, or why it is refused.
async fn load_and_check(
    transaction: &Transaction<'_>,
    refund: &RefundInput,
    status: OrderStatus,
) -> anyhow::Result<Result<ApprovedRefund, String>> {
    let order_id = refund.order_id.to_string();
    let Some(paid) = sql::refundable_amount(transaction, &order_id).await? else {
        return Ok(Err(format!("nothing is paid: the order is {status}")));
    };
    // Units that did not arrive are refunded in any case.
    if paid.refund_count >= MAX_REFUNDS && !matches!(refund.request.what, What::Undelivered(_)) {
        return Ok(Err(format!("the order has {MAX_REFUNDS} refunds already")));
    }
    Ok(check_request(&refund.request, paid.rest_minor, &load_units(transaction, &order_id).await?))
}

/// Where an order's units are, by product id.
async fn load_units(transaction: &Transaction<'_>, order_id: &str) -> anyhow::Result<BTreeMap<String, Units>> {
    let units = sql::refundable_units(transaction, order_id).await?.into_iter().map(|row| {
        let sql::RefundableUnits { product_id, unit_price_minor, units_left, held, on_the_way, kept } = row;
        (product_id, Units { unit_price_minor, left: units_left, held, in_transit: on_the_way, kept })
    });
    Ok(units.collect())
}

/// The amount and the units of a refund, or why it is refused. `rest` is the amount that is paid
/// and not refunded, in minor units.
fn check_request(request: &RefundRequest, rest: i64, units: &BTreeMap<String, Units>) -> Result<ApprovedRefund, String> {
    let approved = match &request.what {
        What::Amount(amount_minor) => ApprovedRefund { amount_minor: *amount_minor, units: BTreeMap::new() },
        What::Rest => {
            ApprovedRefund { amount_minor: rest, units: units.iter().map(|(product_id, units)| (product_id.clone(), units.left)).collect() }
        }
        What::Items(items) => price_units(units, items, false)?,
        What::Undelivered(items) => {
            let approved = price_units(units, items, true)?;
            ApprovedRefund { amount_minor: approved.amount_minor.min(rest), ..approved }
        }
    };
    let approved = ApprovedRefund { units: approved.units.into_iter().filter(|(_, quantity)| *quantity > 0).collect(), ..approved };
    if request.restock {
        for (product_id, quantity) in &approved.units {
            // A refund of the rest may include units that a carrier lost. These do not come back,
            // so the number of units is not checked.
            let quantity = if matches!(request.what, What::Rest) { 0 } else { *quantity };
            ensure_returnable(product_id, quantity, &units[product_id])?;
        }
    }
    // A refund of 0 may still move units: they cost nothing, or their price is already refunded.
    let moves_units = !approved.units.is_empty() && (request.restock || !matches!(request.what, What::Rest));
    match approved.amount_minor {
        0 if !moves_units => Err("everything has been given back".to_owned()),
        amount if amount > rest => Err("it is more than was paid and is not given back yet".to_owned()),
        _ => Ok(approved),
    }
}

/// Checks that units can come back to stock. Only units that the customer has can. Units that are
/// held or in transit would be sold again, and would also arrive at the customer.
fn ensure_returnable(product_id: &str, quantity: i64, units: &Units) -> Result<(), String> {
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

/// The price of units of an order, at the prices of its line items, or why they cannot be refunded.
/// With `capped`, units that are already refunded are left out instead of being an error.
fn price_units(units: &BTreeMap<String, Units>, items: &BTreeMap<String, i32>, capped: bool) -> Result<ApprovedRefund, String> {
    let mut priced = ApprovedRefund::default();
    for (product_id, quantity) in items {
        let Some(units) = units.get(product_id) else { return Err(format!("{product_id} is not in the order")) };
        let (quantity, left) = (i64::from(*quantity), units.left.max(0));
        if quantity > left && !capped {
            return Err(format!("{product_id}: only {left} units can be given back"));
        }
        let quantity = quantity.min(left);
        priced.amount_minor += units.unit_price_minor * quantity;
        priced.units.insert(product_id.clone(), quantity);
    }
    Ok(priced)
}

/// Records that the gateway has made a refund: updates the payment, and notifies the customer. The
/// units go back to stock, or a trigger writes them off.
pub(crate) async fn record_succeeded(transaction: &Transaction<'_>, order: OrderId, refund: RefundId) -> anyhow::Result<OrderStatus> {
    let (id, order_id) = (refund.to_string(), order.to_string());
    let status = order::lock_order(transaction, order).await?;
    let Some(succeeded) = sql::succeed_refund(transaction, &id).await? else { return Ok(status) };
    let sql::SucceededRefund { amount_minor, restock, currency } = succeeded;
    // A refund may consist of units without an amount.
    if amount_minor > 0 {
        // If a compensation has reversed the payment meanwhile, that includes this refund, and the
        // payment does not change.
        sql::add_to_payment(transaction, &order_id, amount_minor, &PaymentStatus::refundable()).await?;
        notification::record_refund_notification(transaction, &order_id, &id).await?;
        metrics::count_refunded(amount_minor, order::parse_currency(&currency)?);
    }
    if restock {
        sql::settle_units(transaction, &order_id, &id).await?;
    }
    order::raise_version(transaction, order).await?;
    Ok(status)
}

/// Records that the gateway finally refuses a refund.
pub(crate) async fn record_refused(
    transaction: &Transaction<'_>,
    order: OrderId,
    refund: RefundId,
    reason: &str,
) -> anyhow::Result<OrderStatus> {
    let status = order::lock_order(transaction, order).await?;
    sql::refuse_refund(transaction, &refund.to_string(), reason).await?;
    order::raise_version(transaction, order).await?;
    Ok(status)
}

/// Records that the gateway temporarily refuses a refund, as a failing row. When the row is due,
/// the gateway is asked again under another idempotency key.
pub(crate) async fn record_temporary_refusal(
    transaction: &Transaction<'_>,
    order: OrderId,
    due: &Due,
    why: &anyhow::Error,
) -> anyhow::Result<()> {
    sql::record_refusal_count(transaction, &due.id.to_string(), due.refusals + 1).await?;
    failing::record_failures(transaction, REFUNDS, &[Failure::new(due.row_id(order), why)]).await
}

/// Leases up to `limit` pending refunds that are due. For the time `lease`, no other worker gets
/// them. Before that, removes the failing rows of refunds that are no longer pending, and of
/// payments whose compensation is over.
pub(crate) async fn lease_due_refunds(client: &dyn Client, limit: i64, lease: Duration) -> anyhow::Result<Vec<(OrderId, OrderTrace, Due)>> {
    sql::clear_stale_failures(client, REFUNDS).await?;
    let due = sql::lease_due_refunds(client, REFUNDS, limit, millis(lease)).await?;
    due.into_iter()
        .map(|sql::DueRefund { order_id, id, amount_minor, refusals, traceparent }| {
            let due = Due { id: id.parse()?, amount_minor, may_be_known: true, refusals, is_failing: true };
            Ok((order_id.parse()?, OrderTrace::stored(traceparent.as_deref()), due))
        })
        .collect()
}

/// Ends the pending refunds of an order that is compensated: the whole payment is refunded with the
/// order.
pub(crate) async fn close_pending_refunds(transaction: &Transaction<'_>, order: OrderId) -> anyhow::Result<()> {
    sql::close_pending_refunds(transaction, &order.to_string()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> BTreeMap<String, Units> {
        let bought = |unit_price_minor, left| Units { unit_price_minor, left, kept: left, ..Units::default() };
        BTreeMap::from([("GIFT".to_owned(), bought(0, 2)), ("LAMP".to_owned(), bought(1_000, 3))])
    }

    /// The amount of a refund in minor units, and its number of units by product id.
    type Checked<'a> = (i64, Vec<(&'a str, i64)>);

    fn check(what: What, restock: bool, rest: i64, units: &BTreeMap<String, Units>) -> Result<Checked<'_>, String> {
        let approved = check_request(&RefundRequest { what, reason: None, restock }, rest, units)?;
        let names = |(id, quantity): (&String, &i64)| (units.keys().find(|known| *known == id).unwrap().as_str(), *quantity);
        Ok((approved.amount_minor, approved.units.iter().map(names).collect()))
    }

    fn items(product_id: &str, quantity: i32) -> What {
        What::Items(BTreeMap::from([(product_id.to_owned(), quantity)]))
    }

    #[test]
    fn a_refund_of_everything_names_the_units_that_no_other_is_for() {
        let mut units = order();
        units.insert("BOOK".to_owned(), Units { unit_price_minor: 500, ..Units::default() });
        assert_eq!(check(What::Rest, true, 3_000, &units), Ok((3_000, vec![("GIFT", 2), ("LAMP", 3)])));
        assert_eq!(check(What::Amount(700), false, 3_000, &units), Ok((700, Vec::new())));
    }

    #[test]
    fn units_that_cost_nothing_come_back_for_nothing() {
        assert_eq!(check(items("GIFT", 1), true, 3_000, &order()), Ok((0, vec![("GIFT", 1)])));
        assert_eq!(check(items("GIFT", 1), false, 0, &order()), Ok((0, vec![("GIFT", 1)])));
        // The whole amount is already refunded.
        assert_eq!(check(What::Rest, true, 0, &order()), Ok((0, vec![("GIFT", 2), ("LAMP", 3)])));
        for (what, restock, units) in [(What::Rest, false, order()), (What::Rest, true, BTreeMap::new())] {
            assert_eq!(check(what, restock, 0, &units), Err("everything has been given back".to_owned()));
        }
    }

    #[test]
    fn no_unit_is_given_back_twice_and_none_comes_back_that_the_customer_does_not_have() {
        assert_eq!(check(items("LAMP", 4), false, 9_000, &order()).unwrap_err(), "LAMP: only 3 units can be given back");
        assert_eq!(check(items("DESK", 1), false, 9_000, &order()).unwrap_err(), "DESK is not in the order");
        assert_eq!(check(items("LAMP", 3), false, 2_999, &order()).unwrap_err(), "it is more than was paid and is not given back yet");
        let lamps = |units: Units| BTreeMap::from([("LAMP".to_owned(), Units { unit_price_minor: 1_000, left: 3, ..units })]);
        for (units, refusal) in [
            (Units { held: 3, ..Units::default() }, "LAMP has not left yet and cannot come back: cancel the order, or do not restock"),
            (Units { in_transit: 3, ..Units::default() }, "LAMP has not arrived yet and cannot come back: wait for it, or do not restock"),
            (Units { kept: 2, ..Units::default() }, "LAMP: only 2 units can come back"),
        ] {
            assert_eq!(check(items("LAMP", 3), true, 9_000, &lamps(units)).unwrap_err(), refusal);
            assert_eq!(check(items("LAMP", 3), false, 9_000, &lamps(units)), Ok((3_000, vec![("LAMP", 3)])));
        }
    }
}
