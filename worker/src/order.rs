//! The orders table: recording an accepted order and moving it along.

use crate::{inventory, sql::Client, sql::order as sql};
use anyhow::Context;
use deadpool_postgres::Transaction;
use orders::{
    OrderId, OrderInput, OrderStatus,
    activities::{End, LineItem, Rest, Withdrawal},
    contact::Channel,
};
use std::time::Duration;

/// Records an accepted order with its lines; does nothing when it is recorded already. Answers its status.
pub(crate) async fn record(client: &dyn Client, order: &OrderInput) -> anyhow::Result<OrderStatus> {
    let contact = order.contact.as_ref();
    let products: Vec<&str> = order.items.iter().map(|item| item.product_id.as_str()).collect();
    let quantities: Vec<i32> = order.items.iter().map(|item| item.quantity).collect();
    let unit_prices_minor: Vec<i64> = order.items.iter().map(|item| item.unit_price_minor).collect();
    let new = sql::NewOrder {
        id: &order.id.to_string(),
        customer_id: &order.customer_id,
        status: OrderStatus::Pending.as_str(),
        total_minor: order.total_minor,
        currency: order.currency.code(),
        contact_email: contact.and_then(|contact| contact.email.as_deref()),
        contact_phone: contact.and_then(|contact| contact.phone.as_deref()),
        accepted_at: order.accepted_at,
        products: &products,
        quantities: &quantities,
        unit_prices_minor: &unit_prices_minor,
        contact_channel: contact.and_then(|contact| contact.channel).map(Channel::as_str),
        contact_language: contact.and_then(|contact| contact.language).unwrap_or_default().as_str(),
        payment_method: &order.payment_method,
    };
    let known = sql::record_order(client, new).await?;
    // The statement sees the table as it was before: no row means that this call recorded the order.
    known.map_or(Ok(OrderStatus::Pending), |known| Ok(known.status.parse()?))
}

/// Notes that an order's compensation has begun, and how it is to end, if it has not ended yet; answers its status. From then on nobody moves it but to
/// its end.
pub(crate) async fn begin_compensation(transaction: &Transaction<'_>, withdrawal: &Withdrawal) -> anyhow::Result<OrderStatus> {
    let Withdrawal { order_id, end, reason } = withdrawal;
    // Under the lock: whoever had it before may have moved the order.
    let status = lock(transaction, *order_id).await?;
    if !status.is_final() {
        sql::begin_compensation(transaction, &order_id.to_string(), end.status().as_str(), reason).await?;
    }
    Ok(status)
}

/// Why an order ends whose compensation was begun by an earlier release, which did not record it.
const NOT_COMPLETED: &str = "the order could not be completed; nothing was charged";

/// Where an order stands, and what its remaining steps need if it has not ended; `None` when it is not on record.
pub(crate) async fn resume(client: &dyn Client, id: OrderId) -> anyhow::Result<Option<(OrderStatus, Option<Rest>)>> {
    let Some(process) = sql::process(client, &id.to_string()).await? else { return Ok(None) };
    let status: OrderStatus = process.status.parse()?;
    if status.is_final() {
        return Ok(Some((status, None)));
    }
    let end = if process.compensating_to.as_deref() == Some(End::Cancelled.status().as_str()) { End::Cancelled } else { End::Failed };
    let reason = process.compensating_reason.unwrap_or_else(|| NOT_COMPLETED.to_owned());
    let items = sql::line_items(client, &id.to_string())
        .await?
        .into_iter()
        .map(|sql::LineItem { product_id, quantity, unit_price_minor }| LineItem { product_id, quantity, unit_price_minor });
    let rest = Rest {
        total_minor: process.total_minor,
        currency: inventory::currency(&process.currency)?,
        items: items.collect(),
        payment_method: process.payment_method,
        withdrawal: process.is_compensating.then_some(Withdrawal { order_id: id, end, reason }),
    };
    Ok(Some((status, Some(rest))))
}

/// The order's status, locked until the transaction ends.
pub(crate) async fn lock(client: &dyn Client, id: OrderId) -> anyhow::Result<OrderStatus> {
    Ok(sql::lock_order(client, &id.to_string()).await?.context("the order is not on record")?.status.parse()?)
}

/// The order's status at this moment.
pub(crate) async fn current_status(client: &dyn Client, id: OrderId) -> anyhow::Result<OrderStatus> {
    find_status(client, id).await?.context("the order is not on record")
}

/// As [`current_status`]; `None` when the order is not on record.
pub(crate) async fn find_status(client: &dyn Client, id: OrderId) -> anyhow::Result<Option<OrderStatus>> {
    sql::current_status(client, &id.to_string()).await?.map(|known| Ok(known.status.parse()?)).transpose()
}

/// For how long the order has stood at its status.
pub(crate) async fn stands_for(client: &dyn Client, id: OrderId) -> anyhow::Result<Duration> {
    let millis = sql::time_at_status(client, &id.to_string()).await?.millis;
    Ok(Duration::from_millis(u64::try_from(millis).unwrap_or_default()))
}

/// What the order comes to, in minor units.
pub(crate) async fn total_minor(client: &dyn Client, id: OrderId) -> anyhow::Result<i64> {
    Ok(sql::total(client, &id.to_string()).await?.context("the order is not on record")?.total_minor)
}

/// Notes that something which readers see has changed beside the status.
pub(crate) async fn touch(client: &dyn Client, id: OrderId) -> anyhow::Result<()> {
    sql::raise_version(client, &id.to_string()).await?;
    Ok(())
}

/// Notes, once, that a cancellation came too late, if the order is on its way or has arrived.
pub(crate) async fn refuse_cancellation(client: &dyn Client, id: OrderId) -> anyhow::Result<()> {
    let gone = [OrderStatus::Shipped, OrderStatus::Delivered, OrderStatus::Completed].map(OrderStatus::as_str);
    sql::refuse_cancellation(client, &id.to_string(), &gone).await?;
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

    /// What a statement that moves an order answers.
    pub(crate) fn of(sql::Moved { status, age_ms }: &sql::Moved) -> anyhow::Result<Self> {
        let moved_after = age_ms.map(|age_ms| Duration::from_millis(u64::try_from(age_ms).unwrap_or_default()));
        Ok(Self { status: status.parse()?, moved_after })
    }
}

/// Moves an order to a status if the transition table allows it. One that is being withdrawn moves to its end only, unless it has arrived.
pub(crate) async fn advance(client: &dyn Client, id: OrderId, to: OrderStatus, reason: Option<&str>) -> anyhow::Result<Move> {
    let moved = sql::move_order(client, &id.to_string(), to.as_str(), &to.predecessors(), reason).await?;
    Move::of(&moved.context("the order is not on record")?)
}
