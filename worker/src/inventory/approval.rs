//! Orders that the shop has approved.

use super::{Error, Stock, Terms, Unpaid, amendment, go_on, hold, holds, lines, lock, lock_products, numbered, on_lines, release};
use crate::order::{self, Move};
use deadpool_postgres::Transaction;
use orders::{OrderId, OrderStatus};

/// Reserves an order that was IN_REVIEW and is approved, by the stock of this moment. It goes to RESERVED; or to ACTION_REQUIRED, when a part of it has
/// been sold meanwhile. The shop's word counts more than the limit on what the customer holds, but not for what is only offered.
pub(crate) async fn approve(transaction: &Transaction<'_>, order_id: OrderId, terms: &Terms) -> Result<Move, Error> {
    let (_, customer_id, maintenance) = lock(transaction, order_id).await?;
    let unpaid = Unpaid::count(transaction, order_id, &customer_id).await?;
    let lines = lines(transaction, order_id).await?;
    let wanted = on_lines(lines.iter().map(|(_, product_id, quantity)| (product_id.as_str(), *quantity)));
    // An amended order may still hold what its customer was offered.
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
