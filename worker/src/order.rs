//! The orders table: recording an accepted order, and changing its status.

pub(crate) mod reason;
pub(crate) mod risk;

use crate::{sql::Client, sql::order as sql};
use anyhow::Context;
use deadpool_postgres::Transaction;
use orders::{
    Currency, OrderId, OrderInput, OrderStatus,
    activities::{CompensationRequest, End, RemainingSteps},
    contact::Channel,
    order::LineItem,
};
use platform::trace::OrderTrace;
use std::time::Duration;

/// Records an accepted order with its line items, unless it is on record already. Returns its
/// status.
pub(crate) async fn record_order(client: &dyn Client, order: &OrderInput) -> anyhow::Result<OrderStatus> {
    let (contact, trace) = (order.contact.as_ref(), OrderTrace::current().text());
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
        traceparent: trace.as_deref(),
    };
    let existing = sql::record_order(client, new).await?;
    // The statement reads the table as it was before its own insert. If it returns no row, this
    // call recorded the order.
    existing.map_or(Ok(OrderStatus::Pending), |existing| Ok(existing.status.parse()?))
}

/// Records that an order's compensation has begun and how it is to end, unless the order has
/// already ended. If a compensation has already begun, for example by a worker that died, its
/// recorded end and reason stay, and `request` is set to them. Returns the order's status. From
/// then on the order can only move to its end; see [`advance`].
pub(crate) async fn begin_compensation(transaction: &Transaction<'_>, request: &mut CompensationRequest) -> anyhow::Result<OrderStatus> {
    let id = request.order_id.to_string();
    // The status is read under the lock, because the lock's previous owner may have changed it.
    let status = lock_order(transaction, request.order_id).await?;
    if !status.is_final() && sql::begin_compensation(transaction, &id, request.end.status().as_str(), &request.reason).await? == 0 {
        let facts = sql::find_order_facts(transaction, &id).await?.context("the order is not on record")?;
        let to = facts.compensating_to.context("the compensation has no end")?.parse()?;
        request.end = End::from_status(to).context("the compensation has no end")?;
        request.reason = facts.compensating_reason.context("the compensation has no reason")?;
    }
    Ok(status)
}

/// The reason that is given if an earlier release began the compensation. That release did not
/// record a reason.
const NOT_COMPLETED: &str = "the order could not be completed; nothing was charged";

/// The order's status and, if it has not ended, the input of its remaining steps. `None` if the
/// order is not on record.
pub(crate) async fn load_for_resume(client: &dyn Client, id: OrderId) -> anyhow::Result<Option<(OrderStatus, Option<RemainingSteps>)>> {
    let Some(facts) = sql::find_order_facts(client, &id.to_string()).await? else { return Ok(None) };
    let status: OrderStatus = facts.status.parse()?;
    if status.is_final() {
        return Ok(Some((status, None)));
    }
    let end = if facts.compensating_to.as_deref() == Some(End::Cancelled.status().as_str()) { End::Cancelled } else { End::Failed };
    let reason = facts.compensating_reason.unwrap_or_else(|| NOT_COMPLETED.to_owned());
    let items = sql::line_items(client, &id.to_string())
        .await?
        .into_iter()
        .map(|sql::LineItem { product_id, quantity, unit_price_minor }| LineItem { product_id, quantity, unit_price_minor });
    let rest = RemainingSteps {
        total_minor: facts.total_minor,
        currency: parse_currency(&facts.currency)?,
        items: items.collect(),
        payment_method: facts.payment_method,
        withdrawal: facts.is_compensating.then_some(CompensationRequest { order_id: id, end, reason }),
    };
    Ok(Some((status, Some(rest))))
}

/// Parses a currency code from the database.
pub(crate) fn parse_currency(code: &str) -> anyhow::Result<Currency> {
    Currency::from_code(code).with_context(|| format!("unknown currency {code:?} in the database"))
}

/// Locks the order until the transaction ends, and returns its status.
pub(crate) async fn lock_order(client: &dyn Client, id: OrderId) -> anyhow::Result<OrderStatus> {
    Ok(sql::lock_order(client, &id.to_string()).await?.context("the order is not on record")?.status.parse()?)
}

/// The order's current status, read without a lock. Fails if the order is not on record.
pub(crate) async fn current_status(client: &dyn Client, id: OrderId) -> anyhow::Result<OrderStatus> {
    find_status(client, id).await?.context("the order is not on record")
}

/// As [`current_status`], but returns `None` if the order is not on record.
pub(crate) async fn find_status(client: &dyn Client, id: OrderId) -> anyhow::Result<Option<OrderStatus>> {
    sql::current_status(client, &id.to_string()).await?.map(|known| Ok(known.status.parse()?)).transpose()
}

/// How long the order has had its status.
pub(crate) async fn time_at_status(client: &dyn Client, id: OrderId) -> anyhow::Result<Duration> {
    let millis = sql::time_at_status(client, &id.to_string()).await?.millis;
    Ok(Duration::from_millis(u64::try_from(millis).unwrap_or_default()))
}

/// The order's total, in minor units.
pub(crate) async fn total_minor(client: &dyn Client, id: OrderId) -> anyhow::Result<i64> {
    Ok(sql::total(client, &id.to_string()).await?.context("the order is not on record")?.total_minor)
}

/// Raises the order's version after a change that readers see and that is not a change of status.
pub(crate) async fn raise_version(client: &dyn Client, id: OrderId) -> anyhow::Result<()> {
    sql::raise_version(client, &id.to_string()).await?;
    Ok(())
}

/// Records, once, that a cancellation came too late, if the order is shipped, delivered or
/// completed.
pub(crate) async fn record_late_cancellation(client: &dyn Client, id: OrderId) -> anyhow::Result<()> {
    let left_shop = [OrderStatus::Shipped, OrderStatus::Delivered, OrderStatus::Completed].map(OrderStatus::as_str);
    sql::refuse_cancellation(client, &id.to_string(), &left_shop).await?;
    Ok(())
}

/// The result of a call that may change an order's status, such as [`advance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransitionResult {
    /// The status that the order now has.
    pub(crate) status: OrderStatus,
    /// The time from the order's acceptance to this change; `None` if this call changed nothing.
    pub(crate) moved_after: Option<Duration>,
}

impl TransitionResult {
    /// The result for an order whose status did not change.
    pub(crate) fn unchanged(status: OrderStatus) -> Self {
        Self { status, moved_after: None }
    }

    /// Reads the row that a statement for a change of status returns.
    pub(crate) fn from_row(sql::Moved { status, age_ms }: &sql::Moved) -> anyhow::Result<Self> {
        let moved_after = age_ms.map(|age_ms| Duration::from_millis(u64::try_from(age_ms).unwrap_or_default()));
        Ok(Self { status: status.parse()?, moved_after })
    }
}

/// Changes an order's status, if the transition table permits it. Otherwise the order keeps its
/// status. An order that is being compensated can only move to its end, unless it turns out to be
/// delivered.
pub(crate) async fn advance(client: &dyn Client, id: OrderId, to: OrderStatus, reason: Option<&str>) -> anyhow::Result<TransitionResult> {
    let moved =
        sql::move_order(client, &id.to_string(), to.as_str(), &to.predecessors(), &to.predecessors_in_compensation(), reason).await?;
    TransitionResult::from_row(&moved.context("the order is not on record")?)
}
