//! Orders of which there is only a part.

use super::{Error, Stock, Terms, go_on};
use crate::{
    order::{self, Move},
    risk,
};
use deadpool_postgres::Transaction;
use orders::{OrderId, OrderStatus, activities::ReservationRequest};

/// Notes what there is of each line; of a product on several lines, the first get it.
pub(super) async fn note(transaction: &Transaction<'_>, request: &ReservationRequest, stock: &Stock<'_>) -> anyhow::Result<()> {
    let mut left = stock.available.clone();
    let mut available = Vec::new();
    for item in &request.items {
        let left = left.entry(&item.product_id).or_default();
        let units = (*left).min(i64::from(item.quantity));
        *left -= units;
        available.push(i32::try_from(units)?);
    }
    let note = transaction
        .prepare_cached(
            "UPDATE order_items i SET available = a.available FROM unnest($2::int[]) WITH ORDINALITY AS a (available, line)
            WHERE i.order_id = $1 AND i.line = a.line",
        )
        .await?;
    transaction.execute(&note, &[&request.order_id.to_string(), &available]).await?;
    Ok(())
}

/// Makes an order what there is of it, and moves it on. Answers what it comes to, in minor units, too; an order that waits for nobody's decision stays
/// as it is.
pub(crate) async fn amend(transaction: &Transaction<'_>, order_id: OrderId, terms: &Terms) -> Result<(Move, i64), Error> {
    let status = order::lock(transaction, order_id).await?;
    let id = order_id.to_string();
    if status == OrderStatus::ActionRequired {
        let lines = "UPDATE order_items SET ordered = quantity, quantity = available WHERE order_id = $1 AND available < quantity";
        transaction.execute(lines, &[&id]).await?;
        let total =
            "UPDATE orders SET total_minor = (SELECT sum(quantity * unit_price_minor) FROM order_items WHERE order_id = $1) WHERE id = $1";
        transaction.execute(total, &[&id]).await?;
    }
    let total_minor = transaction.query_one("SELECT total_minor FROM orders WHERE id = $1", &[&id]).await?.try_get(0)?;
    if status != OrderStatus::ActionRequired {
        return Ok((Move::none(status), total_minor));
    }
    let step = match risk::concern(transaction, order_id, &terms.limits).await? {
        Some(concern) => {
            risk::ask(transaction, order_id, &concern).await?;
            order::advance(transaction, order_id, OrderStatus::InReview, None).await?
        }
        None => go_on(transaction, order_id, terms.held_for).await?,
    };
    Ok((step, total_minor))
}
