//! The payments table: what a gateway told us about an order's money. Readers see it, so each change raises the order's version.

use super::{Payment, Reversal};
use crate::{inventory, order::Move};
use anyhow::Context;
use deadpool_postgres::{GenericClient, Transaction};
use orders::{OrderId, OrderStatus};

/// An order's payment as it is on record.
pub(crate) async fn load(client: &impl GenericClient, order_id: OrderId) -> anyhow::Result<Payment> {
    find(client, order_id).await?.context("the order is not on record")
}

/// As [`load`]; `None` when there is no such order.
pub(crate) async fn find(client: &impl GenericClient, order_id: OrderId) -> anyhow::Result<Option<Payment>> {
    let statement = client
        .prepare_cached(
            "SELECT o.total_minor, o.currency, p.gateway_reference, p.gateway FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE o.id = $1",
        )
        .await?;
    let Some(row) = client.query_opt(&statement, &[&order_id.to_string()]).await? else { return Ok(None) };
    let (reference, gateway) = (row.try_get(2)?, row.try_get(3)?);
    Ok(Some(Payment { reference, gateway, ..Payment::of(order_id, row.try_get(0)?, inventory::currency(row.try_get(1)?)?) }))
}

/// Records that the gateway is about to be asked again, and that nobody knows what it did before, unless more is known already. Notes in `payment` the
/// gateway that has it, and its id of it if that is known; answers how often it is asked with this time: 1 when the order is not to be paid any more.
pub(crate) async fn record_attempt(
    client: &impl GenericClient,
    order_id: OrderId,
    payment: &mut Payment,
    gateway: &str,
) -> anyhow::Result<i32> {
    let statement =
        client.prepare_cached("SELECT gateway, gateway_reference, attempts FROM record_payment_attempt($1, $2, $3, $4, $5)").await?;
    let unpaid = OrderStatus::Paid.predecessors();
    let row =
        client.query_one(&statement, &[&order_id.to_string(), &unpaid, &payment.amount_minor, &payment.currency.code(), &gateway]).await?;
    (payment.gateway, payment.reference) = (row.try_get(0)?, row.try_get(1)?);
    Ok(row.try_get(2)?)
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
    client: &impl GenericClient,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
) -> anyhow::Result<Permission> {
    let statement = client.prepare_cached("SELECT permission, status FROM authorize_payment($1, $2, $3, $4, $5, $6)").await?;
    let unpaid = OrderStatus::Paid.predecessors();
    let currency = payment.currency.code();
    let row = client
        .query_opt(&statement, &[&order_id.to_string(), &unpaid, &payment.amount_minor, &currency, &gateway, &payment.reference])
        .await?
        .context("the order is not on record")?;
    Ok(match row.try_get(0)? {
        "TAKE" => Permission::Take,
        "TOO_LATE" => Permission::TooLate,
        "ELSEWHERE" => Permission::Elsewhere,
        _ => Permission::Over(row.try_get::<_, &str>(1)?.parse()?),
    })
}

/// Records a captured payment, moves the order to PAID and, where a carrier is to take it, splits it into shipments, in one statement. An order that has
/// ended meanwhile, or is being withdrawn, stays as it is.
pub(crate) async fn record_captured(
    client: &impl GenericClient,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
    carrier: Option<&str>,
) -> anyhow::Result<Move> {
    let statement = client
        .prepare_cached(
            "WITH step AS MATERIALIZED (
                SELECT status, moved, age_ms FROM move_order($1, $2, $3)
            ), payment AS (
                INSERT INTO payments (order_id, status, amount_minor, currency, gateway, gateway_reference)
                SELECT $1, 'CAPTURED', $4, $5, $6, $7 FROM step WHERE moved
                ON CONFLICT (order_id) DO UPDATE SET status = 'CAPTURED', gateway_reference = EXCLUDED.gateway_reference
            ), split AS MATERIALIZED (
                SELECT make_shipments($1, $8) FROM step WHERE moved AND $8::text IS NOT NULL
            )
            SELECT status, age_ms FROM step LEFT JOIN split ON true",
        )
        .await?;
    let (paid, currency) = (OrderStatus::Paid, payment.currency.code());
    let row = client
        .query_one(
            &statement,
            &[
                &order_id.to_string(),
                &paid.as_str(),
                &paid.predecessors(),
                &payment.amount_minor,
                &currency,
                &gateway,
                &payment.reference,
                &carrier,
            ],
        )
        .await?;
    Move::read(&row)
}

/// Records that a payment was declined, if the order is still to be paid; answers the order's status. Its failing follows as a step of its own, and
/// raises the version.
pub(crate) async fn record_declined(
    client: &impl GenericClient,
    order_id: OrderId,
    payment: &Payment,
    gateway: &str,
) -> anyhow::Result<OrderStatus> {
    let statement = client
        .prepare_cached(
            "WITH payment AS (
                INSERT INTO payments AS p (order_id, status, amount_minor, currency, gateway)
                SELECT id, 'DECLINED', $2, $3, $4 FROM orders WHERE id = $1 AND status = ANY ($5)
                ON CONFLICT (order_id) DO UPDATE SET status = 'DECLINED' WHERE p.status IN ('UNKNOWN', 'AUTHORIZED')
            )
            SELECT status FROM orders WHERE id = $1",
        )
        .await?;
    let unpaid = OrderStatus::Paid.predecessors();
    let row =
        client.query_one(&statement, &[&order_id.to_string(), &payment.amount_minor, &payment.currency.code(), &gateway, &unpaid]).await?;
    Ok(row.try_get::<_, &str>(0)?.parse()?)
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
            let statement = transaction
                .prepare_cached("UPDATE payments SET status = 'VOIDED' WHERE order_id = $1 AND status IN ('UNKNOWN', 'AUTHORIZED')")
                .await?;
            transaction.execute(&statement, &[&order_id.to_string()]).await?;
            return Ok(());
        }
        Reversal::Voided(reference) => ("VOIDED", 0, reference),
        Reversal::Refunded(reference) => ("REFUNDED", payment.amount_minor, reference),
    };
    // There may be no row yet: the gateway did it, but its answer was lost.
    let statement = transaction
        .prepare_cached(
            "INSERT INTO payments (order_id, status, amount_minor, currency, gateway, gateway_reference, refunded_minor)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (order_id) DO UPDATE SET status = EXCLUDED.status, refunded_minor = EXCLUDED.refunded_minor",
        )
        .await?;
    let currency = payment.currency.code();
    transaction
        .execute(&statement, &[&order_id.to_string(), &status, &payment.amount_minor, &currency, &gateway, reference, &refunded_minor])
        .await?;
    Ok(())
}
