//! The payments table: what a gateway told us about an order's money.

use super::{Receipt, Reversal};
use crate::order::Move;
use deadpool_postgres::{GenericClient, Transaction};
use orders::{OrderId, OrderStatus, activities::PaymentRequest};

/// Records a captured payment and moves the order to PAID, in one statement. An order that has ended meanwhile stays as it is.
pub(crate) async fn record_captured(
    client: &impl GenericClient,
    request: &PaymentRequest,
    gateway: &str,
    receipt: &Receipt,
) -> anyhow::Result<Move> {
    let statement = client
        .prepare_cached(
            "WITH step AS MATERIALIZED (
                SELECT status, moved, age_ms FROM move_order($1, $2, $3)
            ), payment AS (
                INSERT INTO payments (order_id, status, amount_minor, currency, gateway, gateway_reference)
                SELECT $1, 'CAPTURED', $4, $5, $6, $7 FROM step WHERE moved
                ON CONFLICT (order_id) DO UPDATE SET
                    status = 'CAPTURED', amount_minor = EXCLUDED.amount_minor, gateway_reference = EXCLUDED.gateway_reference
            )
            SELECT status, age_ms FROM step",
        )
        .await?;
    let (order_id, paid) = (request.order_id.to_string(), OrderStatus::Paid);
    let currency = request.currency.code();
    let row = client
        .query_one(
            &statement,
            &[&order_id, &paid.as_str(), &paid.predecessors(), &request.amount_minor, &currency, &gateway, &receipt.reference],
        )
        .await?;
    Move::read(&row)
}

/// Records that a payment was declined. The order's failing follows as a step of its own.
pub(crate) async fn record_declined(client: &impl GenericClient, request: &PaymentRequest, gateway: &str) -> anyhow::Result<()> {
    let statement = client
        .prepare_cached(
            "INSERT INTO payments (order_id, status, amount_minor, currency, gateway) VALUES ($1, 'DECLINED', $2, $3, $4)
            ON CONFLICT (order_id) DO NOTHING",
        )
        .await?;
    let currency = request.currency.code();
    client.execute(&statement, &[&request.order_id.to_string(), &request.amount_minor, &currency, &gateway]).await?;
    Ok(())
}

/// Records what reversing an order's payment found.
pub(crate) async fn record_reversed(
    transaction: &Transaction<'_>,
    order_id: OrderId,
    gateway: &str,
    reversal: &Reversal,
) -> anyhow::Result<()> {
    let Reversal::Refunded { reference, amount_minor, currency } = reversal else {
        return Ok(());
    };
    // There may be no row yet: the gateway captured, but its answer was lost.
    let statement = transaction
        .prepare_cached(
            "INSERT INTO payments (order_id, status, amount_minor, currency, gateway, gateway_reference) VALUES ($1, 'REFUNDED', $2, $3, $4, $5)
            ON CONFLICT (order_id) DO UPDATE SET status = 'REFUNDED'",
        )
        .await?;
    transaction.execute(&statement, &[&order_id.to_string(), amount_minor, &currency.code(), &gateway, reference]).await?;
    Ok(())
}
