//! Orders that are available only in part.
//!
//! The customer is offered some of the available units ([`super::offer`]). The offered units are
//! held like the stock of any unpaid order, and for the same time. They are not held if the
//! customer would exceed a limit, if another order of the customer waits for a decision, or if the
//! customer recently let another offer pass.
//!
//! A customer who takes the offer after that time gets exactly what was offered, if it is still
//! available. Otherwise the customer gets a new offer. So nobody is sent less than they agreed to.

use super::{
    Error, ReservationPolicy, Stock, UnpaidOrders, as_offer_lines, hold_units, holds_exactly, lock_order, lock_products, open_line_items,
    release, reserve_held, units_by_product,
};
use crate::{
    order::risk,
    order::{self, TransitionResult},
    sql::stock as sql,
};
use deadpool_postgres::Transaction;
use orders::{OrderId, OrderStatus};
use std::time::Duration;

/// The result of an amendment.
pub(crate) struct AmendmentResult {
    pub(crate) step: TransitionResult,
    /// The order's total after the amendment, in minor units.
    pub(crate) total_minor: i64,
    /// How long to wait for the customer's decision about a new offer; `None` if there is no new
    /// offer.
    pub(crate) wait: Option<Duration>,
}

/// Offers the customer a part of an order. `lines` are the order's line items: number, product,
/// units. If several line items want the same short product, the first ones get the offered units.
/// The offer is held if `may_hold` is true and the customer's other orders permit it.
///
/// The products' rows must be locked, and the order must hold nothing.
pub(super) async fn offer_part<'a>(
    transaction: &Transaction<'_>,
    order_id: OrderId,
    unpaid: &UnpaidOrders,
    lines: impl IntoIterator<Item = (i32, &'a str, i32)>,
    mut stock: Stock<'_>,
    policy: &ReservationPolicy,
    may_hold: bool,
) -> anyhow::Result<()> {
    stock.reduce_to_offer(policy.max_units);
    let mut left = stock.available.clone();
    let (mut numbers, mut available) = (Vec::new(), Vec::new());
    for (number, product_id, quantity) in lines {
        let left = left.entry(product_id).or_default();
        let units = (*left).min(i64::from(quantity));
        *left -= units;
        numbers.push(number);
        available.push(i32::try_from(units)?);
    }
    sql::offer_lines(transaction, &order_id.to_string(), &numbers, &available).await?;
    if may_hold && unpaid.leaves_room_for_offer(stock.units(), policy) && !unpaid.has_recent_unaccepted_offer(transaction, policy).await? {
        hold_units(transaction, order_id, &stock.available, policy.held_for).await?;
    }
    Ok(())
}

/// Applies the offer to an order and moves the order to RESERVED. If the offered units are no
/// longer available, the customer gets a new offer. If the offer exceeds what the customer may
/// order or hold, the order moves to IN_REVIEW, unless the shop has approved it. An order that is
/// not ACTION_REQUIRED does not change.
pub(crate) async fn amend(transaction: &Transaction<'_>, order_id: OrderId, policy: &ReservationPolicy) -> Result<AmendmentResult, Error> {
    let (status, customer_id, maintenance) = lock_order(transaction, order_id).await?;
    if status != OrderStatus::ActionRequired {
        return Ok(AmendmentResult {
            step: TransitionResult::unchanged(status),
            total_minor: order::total_minor(transaction, order_id).await?,
            wait: None,
        });
    }
    let unpaid = UnpaidOrders::count(transaction, order_id, &customer_id).await?;
    let offered = load_offer(transaction, order_id).await?;
    let units = units_by_product(offered.iter().map(|(product_id, units)| (product_id.as_str(), *units)));
    let is_held = holds_exactly(transaction, order_id, &units).await?;
    if !is_held {
        if let Some(reason) = maintenance {
            return Err(Error::Maintenance(reason));
        }
        release(transaction, order_id).await?;
        let catalogue = lock_products(transaction, &units).await?;
        if !Stock::from_catalogue(&units, &catalogue).is_ok_and(|stock| !stock.is_short()) {
            return offer_again(transaction, order_id, &unpaid, policy).await;
        }
    }
    accept_offer(transaction, order_id).await?;
    let review_reason = match risk::review_reason(transaction, order_id, &policy.limits).await? {
        // Units that are held were within the limit when they were offered.
        None if !is_held && !unpaid.leaves_room(units.values().sum(), policy) => Some(format!(
            "{} units, and {} in other unpaid orders of the customer; the limit is {}",
            units.values().sum::<i64>(),
            unpaid.units,
            policy.max_units
        )),
        reason => reason,
    };
    let step = match review_reason {
        Some(reason) if !risk::is_approved(transaction, order_id).await? => {
            risk::request_review(transaction, order_id, &reason).await?;
            order::advance(transaction, order_id, OrderStatus::InReview, None).await?
        }
        _ if is_held => reserve_held(transaction, order_id, policy.held_for).await?,
        _ => {
            hold_units(transaction, order_id, &units, policy.held_for).await?;
            order::advance(transaction, order_id, OrderStatus::Reserved, None).await?
        }
    };
    Ok(AmendmentResult { step, total_minor: order::total_minor(transaction, order_id).await?, wait: None })
}

/// The product and the offered units of each line item.
async fn load_offer(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<Vec<(String, i32)>> {
    let offered = sql::offered_units(transaction, &order_id.to_string()).await?;
    Ok(offered.into_iter().map(|sql::OfferedUnits { product_id, units }| (product_id, units)).collect())
}

/// Sets the units of each line item to the offered ones, and the order's total to the sum of its
/// line items.
async fn accept_offer(transaction: &Transaction<'_>, order_id: OrderId) -> anyhow::Result<()> {
    let id = order_id.to_string();
    sql::accept_offered_lines(transaction, &id).await?;
    sql::recalculate_total(transaction, &id).await?;
    Ok(())
}

/// Offers what is available now. The customer may decide within the rest of `decision_timeout`, but
/// at least within `held_for`, because the new offer may be held for that long.
async fn offer_again(
    transaction: &Transaction<'_>,
    order_id: OrderId,
    unpaid: &UnpaidOrders,
    policy: &ReservationPolicy,
) -> Result<AmendmentResult, Error> {
    let lines = open_line_items(transaction, order_id).await?;
    let wanted = units_by_product(lines.iter().map(|(_, product_id, quantity)| (product_id.as_str(), *quantity)));
    let stock = Stock::from_catalogue(&wanted, &lock_products(transaction, &wanted).await?)?;
    offer_part(transaction, order_id, unpaid, as_offer_lines(&lines), stock, policy, true).await?;
    order::raise_version(transaction, order_id).await?;
    tracing::info!(%order_id, "{order_id}: the offered units are no longer available; made a new offer");
    let status = OrderStatus::ActionRequired;
    let offered_ms_ago = sql::time_since_first_status(transaction, &order_id.to_string(), status.as_str()).await?.millis;
    let offered_for = Duration::from_millis(offered_ms_ago.and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default());
    Ok(AmendmentResult {
        step: TransitionResult::unchanged(status),
        total_minor: order::total_minor(transaction, order_id).await?,
        wait: Some(policy.decision_timeout.saturating_sub(offered_for).max(policy.held_for)),
    })
}
