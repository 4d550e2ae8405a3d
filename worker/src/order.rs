//! The orders table: recording an accepted order and moving it along.

use crate::inventory;
use anyhow::Context;
use deadpool_postgres::{GenericClient, Transaction};
use orders::{
    OrderId, OrderInput, OrderStatus,
    activities::{End, LineItem, Rest, Withdrawal},
    contact::Channel,
};
use std::time::Duration;
use tokio_postgres::Row;

/// Records an accepted order with its lines; does nothing when it is recorded already. Answers its status.
pub(crate) async fn record(client: &impl GenericClient, order: &OrderInput) -> anyhow::Result<OrderStatus> {
    let statement = client
        .prepare_cached(
            "WITH recorded AS (
                INSERT INTO orders (id, customer_id, status, total_minor, currency, contact_email, contact_phone, created_at, updated_at,
                    contact_channel, contact_language, payment_method)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $12, $13, nullif($14, '')) ON CONFLICT (id) DO NOTHING RETURNING id
            ), history AS (
                INSERT INTO order_history (order_id, version, status, at) SELECT id, 1, $3, $8 FROM recorded
            ), lines AS (
                INSERT INTO order_items (order_id, line, product_id, quantity, unit_price_minor)
                SELECT recorded.id, item.line, item.product_id, item.quantity, item.unit_price_minor
                FROM recorded, unnest($9::text[], $10::int[], $11::bigint[]) WITH ORDINALITY AS item (product_id, quantity, unit_price_minor, line)
            )
            SELECT status FROM orders WHERE id = $1",
        )
        .await?;
    let contact = order.contact.as_ref();
    let products: Vec<&str> = order.items.iter().map(|item| item.product_id.as_str()).collect();
    let quantities: Vec<i32> = order.items.iter().map(|item| item.quantity).collect();
    let prices: Vec<i64> = order.items.iter().map(|item| item.unit_price_minor).collect();
    let known = client
        .query_opt(
            &statement,
            &[
                &order.id.to_string(),
                &order.customer_id,
                &OrderStatus::Pending.as_str(),
                &order.total_minor,
                &order.currency.code(),
                &contact.and_then(|contact| contact.email.as_deref()),
                &contact.and_then(|contact| contact.phone.as_deref()),
                &order.accepted_at,
                &products,
                &quantities,
                &prices,
                &contact.and_then(|contact| contact.channel).map(Channel::as_str),
                &contact.and_then(|contact| contact.language).unwrap_or_default().as_str(),
                &order.payment_method,
            ],
        )
        .await?;
    // The statement sees the table as it was before: no row means that this call recorded the order.
    known.map_or(Ok(OrderStatus::Pending), |row| status(&row))
}

/// The condition that an order has not ended, with the statuses written out: only then does Postgres take the index of the open orders.
pub(crate) fn is_open() -> String {
    format!("status IN ('{}')", OrderStatus::open().join("', '"))
}

/// Notes that an order's compensation has begun, and how it is to end, if it has not ended yet; answers its status. From then on nobody moves it but to
/// its end.
pub(crate) async fn begin_compensation(transaction: &Transaction<'_>, withdrawal: &Withdrawal) -> anyhow::Result<OrderStatus> {
    let Withdrawal { order_id, end, reason } = withdrawal;
    // Under the lock: whoever had it before may have moved the order.
    let status = lock(transaction, *order_id).await?;
    if !status.is_final() {
        let begun = "UPDATE orders SET compensating_since = now(), compensating_to = $2, compensating_reason = $3, version = version + 1
            WHERE id = $1 AND compensating_since IS NULL";
        transaction.execute(begun, &[&order_id.to_string(), &end.status().as_str(), &reason]).await?;
    }
    Ok(status)
}

/// Why an order ends whose compensation was begun by an earlier release, which did not record it.
const NOT_COMPLETED: &str = "the order could not be completed; nothing was charged";

/// Where an order stands, and what its remaining steps need if it has not ended; `None` when it is not on record.
pub(crate) async fn resume(client: &impl GenericClient, id: OrderId) -> anyhow::Result<Option<(OrderStatus, Option<Rest>)>> {
    let statement = client
        .prepare_cached(
            "SELECT status, total_minor, currency, coalesce(payment_method, ''), compensating_since IS NOT NULL,
                compensating_to, compensating_reason FROM orders WHERE id = $1",
        )
        .await?;
    let Some(row) = client.query_opt(&statement, &[&id.to_string()]).await? else { return Ok(None) };
    let status = status(&row)?;
    if status.is_final() {
        return Ok(Some((status, None)));
    }
    let end = |to: Option<&str>| if to == Some(End::Cancelled.status().as_str()) { End::Cancelled } else { End::Failed };
    let reason: Option<String> = row.try_get(6)?;
    let withdrawal = Withdrawal { order_id: id, end: end(row.try_get(5)?), reason: reason.unwrap_or_else(|| NOT_COMPLETED.to_owned()) };
    let lines =
        client.prepare_cached("SELECT product_id, quantity, unit_price_minor FROM order_items WHERE order_id = $1 ORDER BY line").await?;
    let lines = client.query(&lines, &[&id.to_string()]).await?;
    let items =
        lines.iter().map(|row| Ok(LineItem { product_id: row.try_get(0)?, quantity: row.try_get(1)?, unit_price_minor: row.try_get(2)? }));
    let rest = Rest {
        total_minor: row.try_get(1)?,
        currency: inventory::currency(row.try_get(2)?)?,
        items: items.collect::<anyhow::Result<_>>()?,
        payment_method: row.try_get(3)?,
        withdrawal: row.try_get::<_, bool>(4)?.then_some(withdrawal),
    };
    Ok(Some((status, Some(rest))))
}

/// The order's status, locked until the transaction ends.
pub(crate) async fn lock(client: &impl GenericClient, id: OrderId) -> anyhow::Result<OrderStatus> {
    let statement = client.prepare_cached("SELECT status FROM orders WHERE id = $1 FOR NO KEY UPDATE").await?;
    status(&client.query_opt(&statement, &[&id.to_string()]).await?.context("the order is not on record")?)
}

/// The order's status at this moment.
pub(crate) async fn current_status(client: &impl GenericClient, id: OrderId) -> anyhow::Result<OrderStatus> {
    let statement = client.prepare_cached("SELECT status FROM orders WHERE id = $1").await?;
    status(&client.query_opt(&statement, &[&id.to_string()]).await?.context("the order is not on record")?)
}

/// For how long the order has stood at its status.
pub(crate) async fn stands_for(client: &impl GenericClient, id: OrderId) -> anyhow::Result<Duration> {
    let statement = client
        .prepare_cached("SELECT coalesce(extract(epoch FROM now() - max(at)) * 1000, 0)::bigint FROM order_history WHERE order_id = $1")
        .await?;
    let millis: i64 = client.query_one(&statement, &[&id.to_string()]).await?.try_get(0)?;
    Ok(Duration::from_millis(u64::try_from(millis).unwrap_or_default()))
}

/// What the order comes to, in minor units.
pub(crate) async fn total_minor(client: &impl GenericClient, id: OrderId) -> anyhow::Result<i64> {
    let statement = client.prepare_cached("SELECT total_minor FROM orders WHERE id = $1").await?;
    Ok(client.query_opt(&statement, &[&id.to_string()]).await?.context("the order is not on record")?.try_get(0)?)
}

/// Notes that something which readers see has changed beside the status.
pub(crate) async fn touch(client: &impl GenericClient, id: OrderId) -> anyhow::Result<()> {
    let statement = client.prepare_cached("UPDATE orders SET version = version + 1 WHERE id = $1").await?;
    client.execute(&statement, &[&id.to_string()]).await?;
    Ok(())
}

/// Notes, once, that a cancellation came too late, if the order is on its way or has arrived.
pub(crate) async fn refuse_cancellation(client: &impl GenericClient, id: OrderId) -> anyhow::Result<()> {
    let statement = client
        .prepare_cached(
            "UPDATE orders SET cancel_refused_at = date_trunc('milliseconds', clock_timestamp()), version = version + 1
            WHERE id = $1 AND cancel_refused_at IS NULL AND status = ANY ($2)",
        )
        .await?;
    let gone = [OrderStatus::Shipped, OrderStatus::Delivered, OrderStatus::Completed].map(OrderStatus::as_str);
    client.execute(&statement, &[&id.to_string(), &gone.as_slice()]).await?;
    Ok(())
}

/// What [`advance`] and its kin did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    /// The status that the order now has.
    pub(crate) status: OrderStatus,
    /// When this call moved the order there: how long after it was accepted.
    pub(crate) moved_after: Option<Duration>,
}

impl Move {
    /// An order that stays where it is.
    pub(crate) fn none(status: OrderStatus) -> Self {
        Self { status, moved_after: None }
    }

    /// Reads the columns `status` and `age_ms` that `move_order` answers.
    pub(crate) fn read(row: &Row) -> anyhow::Result<Self> {
        let age_ms: Option<i64> = row.try_get("age_ms")?;
        let moved_after = age_ms.map(|age_ms| Duration::from_millis(u64::try_from(age_ms).unwrap_or_default()));
        Ok(Self { status: row.try_get::<_, &str>("status")?.parse()?, moved_after })
    }
}

/// Moves an order to a status if the transition table allows it. One that is being withdrawn moves to its end only, unless it has arrived.
pub(crate) async fn advance(client: &impl GenericClient, id: OrderId, to: OrderStatus, reason: Option<&str>) -> anyhow::Result<Move> {
    let statement = client.prepare_cached("SELECT status, age_ms FROM move_order($1, $2, $3, $4)").await?;
    let row = client.query_opt(&statement, &[&id.to_string(), &to.as_str(), &to.predecessors(), &reason]).await?;
    Move::read(&row.context("the order is not on record")?)
}

/// The status in a row's first column.
fn status(row: &Row) -> anyhow::Result<OrderStatus> {
    Ok(row.try_get::<_, &str>(0)?.parse()?)
}
