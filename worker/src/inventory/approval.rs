//! Orders in review that the shop has approved.

use super::{Error, Stock, Terms, Unpaid, amendment, go_on, hold, holds, lines, lock, lock_products, numbered, on_lines, release};
use crate::order::{self, Move};
use deadpool_postgres::Transaction;
use orders::{OrderId, OrderStatus};

/// Reserves an order that was IN_REVIEW and is now approved, as far as the current stock allows.
/// The order moves to RESERVED, or to ACTION_REQUIRED if a part of it has been sold in the
/// meantime. The approval overrides the limit on the units that a customer holds, but not for units
/// that are only offered.
pub(crate) async fn approve(transaction: &Transaction<'_>, order_id: OrderId, terms: &Terms) -> Result<Move, Error> {
    let (_, customer_id, maintenance) = lock(transaction, order_id).await?;
    let unpaid = Unpaid::count(transaction, order_id, &customer_id).await?;
    let lines = lines(transaction, order_id).await?;
    let wanted = on_lines(lines.iter().map(|(_, product_id, quantity)| (product_id.as_str(), *quantity)));
    // An amended order may still hold the units that its customer was offered.
    if holds(transaction, order_id, &wanted).await? {
        return Ok(go_on(transaction, order_id, terms.held_for).await?);
    }
    if let Some(reason) = maintenance {
        return Err(Error::Maintenance(reason));
    }
    release(transaction, order_id).await?;
    let stock = Stock::of(&wanted, &lock_products(transaction, &wanted).await?)?;
    let to = if stock.is_short() {
        amendment::offer(transaction, order_id, numbered(&lines), stock, terms, |units| unpaid.leaves_room_for_offer(units, terms)).await?;
        OrderStatus::ActionRequired
    } else {
        hold(transaction, order_id, &wanted, terms.held_for).await?;
        OrderStatus::Reserved
    };
    Ok(order::advance(transaction, order_id, to, None).await?)
}
