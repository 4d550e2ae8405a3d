//! The payments table: what the gateways reported about the orders' payments. Readers see it as a
//! part of the order, so each change raises the order's version.

use super::{Payment, Reversal};
use crate::{
    ops::metrics,
    order::{TransitionResult, parse_currency},
    sql::Client,
    sql::payment as sql,
};
use anyhow::Context;
use deadpool_postgres::Transaction;
use orders::{OrderId, OrderStatus, status::PaymentStatus};

/// Reads an order's payment. Fails if the order is not on record.
pub(crate) async fn load_payment(client: &dyn Client, order_id: OrderId) -> anyhow::Result<Payment> {
    find_payment(client, order_id).await?.context("the order is not on record")
}

/// As [`load_payment`], but returns `None` if the order is not on record.
pub(crate) async fn find_payment(client: &dyn Client, order_id: OrderId) -> anyhow::Result<Option<Payment>> {
    let Some(found) = sql::find_payment(client, &order_id.to_string()).await? else { return Ok(None) };
    let payment = Payment::for_order(order_id, found.total_minor, parse_currency(&found.currency)?);
    Ok(Some(Payment { reference: found.gateway_reference, gateway: found.gateway, ..payment }))
}

/// Records that a worker is about to ask the gateway again. The payment is recorded as UNKNOWN,
/// because it is unknown what the gateway did before; a payment that is already on record keeps its
/// status. Sets `payment.gateway` to the gateway that has the payment, and `payment.reference` to
/// that gateway's id of the payment, if it is known. Returns the number of this attempt, which is
/// at least 2, or 1 if the order does not wait for its payment any more.
pub(crate) async fn record_attempt(client: &dyn Client, order_id: OrderId, payment: &mut Payment, gateway: &str) -> anyhow::Result<i32> {
    let (amount_minor, currency) = (payment.amount_minor, payment.currency.code());
    let unpaid = OrderStatus::Paid.predecessors();
    let attempt = sql::record_payment_attempt(client, &order_id.to_string(), &unpaid, amount_minor, currency, gateway).await?;
    (payment.gateway, payment.reference) = (attempt.gateway, attempt.gateway_reference);
    Ok(attempt.attempts)
}

/// Whether the authorized amount may be captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CapturePermission {
    Capture,
    /// No: the order's stock is no longer held.
    StockReleased,
    /// No: another gateway has the order's payment.
    OtherGateway,
    /// No: the order is already paid, has ended, or is being compensated. The field is its status.
    NotPayable(OrderStatus),
}

/// Records the authorization, if the order is unpaid and its stock is held. From then on the
/// order's reservation does not expire. Returns whether the amount may be captured.
pub(crate) async fn record_authorized(
    client: &dyn Client,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
) -> anyhow::Result<CapturePermission> {
    let unpaid = OrderStatus::Paid.predecessors();
    let (id, currency, reference) = (order_id.to_string(), payment.currency.code(), payment.reference.as_deref());
    let authorization = sql::authorize_payment(client, &id, &unpaid, payment.amount_minor, currency, gateway, reference)
        .await?
        .context("the order is not on record")?;
    Ok(match authorization.permission.as_str() {
        "CAPTURE" => CapturePermission::Capture,
        "TOO_LATE" => CapturePermission::StockReleased,
        "ELSEWHERE" => CapturePermission::OtherGateway,
        _ => CapturePermission::NotPayable(authorization.status.parse()?),
    })
}

/// Records a captured payment, moves the order to PAID and, if there is a carrier, splits the order
/// into shipments, all in one statement. An order that has ended or is being compensated does not
/// change.
pub(crate) async fn record_captured(
    client: &dyn Client,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
    carrier: Option<&str>,
) -> anyhow::Result<TransitionResult> {
    let paid = OrderStatus::Paid;
    let capture = sql::Capture {
        order_id: &order_id.to_string(),
        to: paid.as_str(),
        predecessors: &paid.predecessors(),
        predecessors_in_compensation: &paid.predecessors_in_compensation(),
        amount_minor: payment.amount_minor,
        currency: payment.currency.code(),
        gateway,
        reference: payment.reference.as_deref(),
        carrier,
    };
    TransitionResult::from_row(&sql::capture_payment(client, capture).await?)
}

/// Records that a payment was declined, if the order is unpaid. Returns the order's status. The
/// order fails in a later step, and that step raises the version.
pub(crate) async fn record_declined(
    client: &dyn Client,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
) -> anyhow::Result<OrderStatus> {
    let unpaid = OrderStatus::Paid.predecessors();
    let (id, currency) = (order_id.to_string(), payment.currency.code());
    Ok(sql::decline_payment(client, &id, payment.amount_minor, currency, gateway, &unpaid, &PaymentStatus::Captured.predecessors())
        .await?
        .status
        .parse()?)
}

/// Records the result of reversing an order's payment. The caller raises the order's version in the
/// same transaction.
pub(crate) async fn record_reversed(
    transaction: &Transaction<'_>,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
    reversal: &Reversal,
) -> anyhow::Result<()> {
    let (status, refunded_minor, reference) = match reversal {
        // If the outcome of the payment was unknown, it is known now: nothing is charged.
        Reversal::Nothing => {
            sql::void_payment(transaction, &order_id.to_string(), &PaymentStatus::Captured.predecessors()).await?;
            return Ok(());
        }
        Reversal::Voided(reference) => (PaymentStatus::Voided, 0, reference),
        Reversal::Refunded(reference) => (PaymentStatus::Refunded, payment.amount_minor, reference),
    };
    // The payment may not be on record yet: the gateway charged it, but the answer was lost.
    let reversed = sql::Reversed {
        order_id: &order_id.to_string(),
        status: status.as_str(),
        amount_minor: payment.amount_minor,
        currency: payment.currency.code(),
        gateway,
        reference,
        refunded_minor,
    };
    let reversal = sql::record_reversal(transaction, reversed).await?;
    metrics::count_refunded(reversal.newly_refunded_minor, payment.currency);
    Ok(())
}
