//! Reconciliation: comparing the payments table with the gateway. The two may differ because
//! somebody made a refund in the gateway's dashboard, or because an answer of the gateway came
//! after the worker had stopped waiting for it.

use super::{ExternalRefund, Payment, Reversal, State, Statement, record};
use crate::{notification, ops::metrics, order, sql::payment as sql};
use anyhow::ensure;
use deadpool_postgres::Transaction;
use orders::{OrderId, OrderStatus, RefundId, activities::End, status::PaymentStatus};
use sha2::{Digest, Sha256};

/// What remains to be done at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remaining {
    Nothing,
    /// The order has failed or was cancelled, but an amount is authorized or captured for it.
    Reversal,
}

/// Corrects the record of an order's payment. Returns the order's status and what remains to be
/// done at the gateway. While an order is open, its own workflow handles its payment. So if an open
/// order is not paid, nothing is recorded here.
pub(crate) async fn reconcile_record(
    transaction: &Transaction<'_>,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
    statement: &Statement,
) -> anyhow::Result<(OrderStatus, Remaining)> {
    let status = order::lock_order(transaction, order_id).await?;
    let recorded = sql::payment_status(transaction, &order_id.to_string()).await?;
    let recorded = recorded.map(|payment| payment.status.parse()).transpose()?;
    let mut changed = false;
    match (End::from_status(status), statement.state, recorded) {
        (Some(_), State::Authorized | State::Captured, _) => return Ok((status, Remaining::Reversal)),
        (Some(_), State::Refunded, other) if other != Some(PaymentStatus::Refunded) => {
            let reversal = Reversal::Refunded(payment.reference.clone().unwrap_or_default());
            record::record_reversed(transaction, order_id, payment, gateway, &reversal).await?;
            changed = true;
        }
        (Some(_), State::Open | State::Voided, Some(PaymentStatus::Unknown | PaymentStatus::Authorized)) => {
            record::record_reversed(transaction, order_id, payment, gateway, &Reversal::Nothing).await?;
            changed = true;
        }
        (None, State::Captured | State::Refunded, Some(recorded)) if recorded.was_captured() => {
            for refund in &statement.external_refunds {
                if record_external_refund(transaction, order_id, refund).await? {
                    metrics::count_refunded(refund.amount_minor, payment.currency);
                    changed = true;
                }
            }
        }
        _ => {}
    }
    if changed {
        order::raise_version(transaction, order_id).await?;
    }
    Ok((status, Remaining::Nothing))
}

/// Records a refund that was made at the gateway itself as a refund of the order, and notifies the
/// customer. If the refund is already on record, nothing changes. Returns whether it is new.
async fn record_external_refund(transaction: &Transaction<'_>, order_id: OrderId, refund: &ExternalRefund) -> anyhow::Result<bool> {
    let (id, order_id) = (refund_id(&refund.id)?.to_string(), order_id.to_string());
    if sql::record_gateway_refund(transaction, &id, &order_id, refund.amount_minor).await? == 0 {
        return Ok(false);
    }
    let updated = sql::add_gateway_refund(transaction, &order_id, refund.amount_minor).await?;
    ensure!(updated == 1, "the refund {} exceeds the captured amount", refund.id);
    notification::record_refund_notification(transaction, &order_id, &id).await?;
    Ok(true)
}

/// OrderFlow's id for a refund of the gateway. It is derived from the gateway's id, so it is always
/// the same.
fn refund_id(id: &str) -> anyhow::Result<RefundId> {
    let digits: String = Sha256::digest(id.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("ref_{digits}").parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateways_refund_has_one_id_with_us() {
        let one = refund_id("re_3MoKIYLkdIwHu7ix0fnJlJZf").unwrap();
        assert_eq!(refund_id("re_3MoKIYLkdIwHu7ix0fnJlJZf").unwrap(), one);
        assert_ne!(refund_id("re_3MoKIYLkdIwHu7ix0fnJlJZg").unwrap(), one);
    }
}
