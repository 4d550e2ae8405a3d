//! Orders in review that the shop has approved.

use super::{
    Error, ReservationPolicy, Stock, UnpaidOrders, amendment, as_offer_lines, hold_units, holds_exactly, lock_order, lock_products,
    open_line_items, release, reserve_held, units_by_product,
};
use crate::order::{self, TransitionResult};
use deadpool_postgres::Transaction;
use orders::{OrderId, OrderStatus};

/// Reserves an order that was IN_REVIEW and is now approved, as far as the current stock allows.
/// The order moves to RESERVED, or to ACTION_REQUIRED if a part of it has been sold in the
/// meantime. The approval overrides the limit on the units that a customer holds, but not for units
/// that are only offered.
pub(crate) async fn reserve_approved(
    transaction: &Transaction<'_>,
    order_id: OrderId,
    policy: &ReservationPolicy,
) -> Result<TransitionResult, Error> {
    let (_, customer_id, maintenance) = lock_order(transaction, order_id).await?;
    let unpaid = UnpaidOrders::count(transaction, order_id, &customer_id).await?;
    let lines = open_line_items(transaction, order_id).await?;
    let wanted = units_by_product(lines.iter().map(|(_, product_id, quantity)| (product_id.as_str(), *quantity)));
    // An amended order may still hold the units that its customer was offered.
    if holds_exactly(transaction, order_id, &wanted).await? {
        return Ok(reserve_held(transaction, order_id, policy.held_for).await?);
    }
    if let Some(reason) = maintenance {
        return Err(Error::Maintenance(reason));
    }
    release(transaction, order_id).await?;
    let stock = Stock::from_catalogue(&wanted, &lock_products(transaction, &wanted).await?)?;
    let to = if stock.is_short() {
        amendment::offer_part(transaction, order_id, &unpaid, as_offer_lines(&lines), stock, policy, true).await?;
        OrderStatus::ActionRequired
    } else {
        hold_units(transaction, order_id, &wanted, policy.held_for).await?;
        OrderStatus::Reserved
    };
    Ok(order::advance(transaction, order_id, to, None).await?)
}
