//! The payments table: what a gateway told us about an order's money. Readers see it, so each change raises the order's version.

use super::{Payment, Reversal};
use crate::{inventory, order::Move, sql::Client, sql::payment as sql};
use anyhow::Context;
use deadpool_postgres::Transaction;
use orders::{OrderId, OrderStatus};

/// An order's payment as it is on record.
pub(crate) async fn load(client: &dyn Client, order_id: OrderId) -> anyhow::Result<Payment> {
    find(client, order_id).await?.context("the order is not on record")
}

/// As [`load`]; `None` when there is no such order.
pub(crate) async fn find(client: &dyn Client, order_id: OrderId) -> anyhow::Result<Option<Payment>> {
    let Some(found) = sql::find_payment(client, &order_id.to_string()).await? else { return Ok(None) };
    let payment = Payment::of(order_id, found.total_minor, inventory::currency(&found.currency)?);
    Ok(Some(Payment { reference: found.gateway_reference, gateway: found.gateway, ..payment }))
}

/// Records that the gateway is about to be asked again, and that nobody knows what it did before, unless more is known already. Notes in `payment` the
/// gateway that has it, and its id of it if that is known; answers how often it is asked with this time: 1 when the order is not to be paid any more.
pub(crate) async fn record_attempt(client: &dyn Client, order_id: OrderId, payment: &mut Payment, gateway: &str) -> anyhow::Result<i32> {
    let (amount_minor, currency) = (payment.amount_minor, payment.currency.code());
    let unpaid = OrderStatus::Paid.predecessors();
    let attempt = sql::record_payment_attempt(client, &order_id.to_string(), &unpaid, amount_minor, currency, gateway).await?;
    (payment.gateway, payment.reference) = (attempt.gateway, attempt.gateway_reference);
    Ok(attempt.attempts)
}

/// Whether the amount that is held may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    Take,
    /// The stock is not held any more.
    TooLate,
    /// Another gateway has the order's payment.
    Elsewhere,
    /// The order is paid already, or is being withdrawn; it has this status.
    Over(OrderStatus),
}

/// Records that the amount is held, if the order is still to be paid and its stock is held. From now on its reservation does not run out.
pub(crate) async fn record_authorized(
    client: &dyn Client,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
) -> anyhow::Result<Permission> {
    let unpaid = OrderStatus::Paid.predecessors();
    let (id, currency, reference) = (order_id.to_string(), payment.currency.code(), payment.reference.as_deref());
    let authorization = sql::authorize_payment(client, &id, &unpaid, payment.amount_minor, currency, gateway, reference)
        .await?
        .context("the order is not on record")?;
    Ok(match authorization.permission.as_str() {
        "TAKE" => Permission::Take,
        "TOO_LATE" => Permission::TooLate,
        "ELSEWHERE" => Permission::Elsewhere,
        _ => Permission::Over(authorization.status.parse()?),
    })
}

/// Records a captured payment, moves the order to PAID and, where a carrier is to take it, splits it into shipments, in one statement. An order that has
/// ended meanwhile, or is being withdrawn, stays as it is.
pub(crate) async fn record_captured(
    client: &dyn Client,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
    carrier: Option<&str>,
) -> anyhow::Result<Move> {
    let paid = OrderStatus::Paid;
    let capture = sql::Capture {
        order_id: &order_id.to_string(),
        to: paid.as_str(),
        predecessors: &paid.predecessors(),
        amount_minor: payment.amount_minor,
        currency: payment.currency.code(),
        gateway,
        reference: payment.reference.as_deref(),
        carrier,
    };
    Move::of(&sql::capture_payment(client, capture).await?)
}

/// Records that a payment was declined, if the order is still to be paid; answers the order's status. Its failing follows as a step of its own, and
/// raises the version.
pub(crate) async fn record_declined(
    client: &dyn Client,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
) -> anyhow::Result<OrderStatus> {
    let unpaid = OrderStatus::Paid.predecessors();
    let (id, currency) = (order_id.to_string(), payment.currency.code());
    Ok(sql::decline_payment(client, &id, payment.amount_minor, currency, gateway, &unpaid).await?.status.parse()?)
}

/// Records what reversing an order's payment found. The order's end follows in the same transaction, and raises the version.
pub(crate) async fn record_reversed(
    transaction: &Transaction<'_>,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
    reversal: &Reversal,
) -> anyhow::Result<()> {
    let (status, refunded_minor, reference) = match reversal {
        // What was asked for and never answered is known now.
        Reversal::Nothing => {
            sql::void_payment(transaction, &order_id.to_string()).await?;
            return Ok(());
        }
        Reversal::Voided(reference) => ("VOIDED", 0, reference),
        Reversal::Refunded(reference) => ("REFUNDED", payment.amount_minor, reference),
    };
    // There may be no row yet: the gateway did it, but its answer was lost.
    let reversed = sql::Reversed {
        order_id: &order_id.to_string(),
        status,
        amount_minor: payment.amount_minor,
        currency: payment.currency.code(),
        gateway,
        reference,
        refunded_minor,
    };
    sql::record_reversal(transaction, reversed).await?;
    Ok(())
}
