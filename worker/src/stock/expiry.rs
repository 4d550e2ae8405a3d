//! Releases the stock of unpaid orders whose reservations have expired. A RESERVED order fails
//! afterwards when its payment is attempted. An order that waits for a decision is reserved again
//! after the decision, if the stock is still available.
//!
//! A reservation does not expire after the payment is authorized. From then on, the money is being
//! captured, or it was captured and the answer was lost. The stock stays reserved until the order
//! continues or is compensated.

use crate::{
    db,
    ops::failing::{self, EXPIRY, Failure},
    order,
    sql::{
        self,
        stock::{clear_settled_failures, expire_reservations, expired_orders, lock_held_products},
    },
};
use deadpool_postgres::{ClientWrapper, Pool};
use orders::{OrderId, OrderStatus};
use std::time::Duration;

/// The interval between two searches for expired reservations.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// The maximum number of orders in one sweep.
const MAX_ORDERS_PER_SWEEP: i64 = 100;
/// The statuses of unpaid orders that may hold stock.
const UNPAID_STATUSES: [OrderStatus; 3] = [OrderStatus::ActionRequired, OrderStatus::InReview, OrderStatus::Reserved];

/// Sweeps forever. Several workers may do so at the same time.
pub(crate) async fn run(pool: Pool) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        if let Err(error) = release_expired(&pool).await {
            tracing::warn!(error = format!("{error:#}"), "cannot release expired reservations");
            tokio::time::sleep(SWEEP_INTERVAL).await;
        }
    }
}

async fn release_expired(pool: &Pool) -> anyhow::Result<()> {
    let mut client = db::connection(pool).await?;
    let mut failures = Vec::new();
    for sql::Id { id } in expired_orders(&client, MAX_ORDERS_PER_SWEEP).await? {
        match release_if_expired(&mut client, &id).await {
            Ok(()) => {}
            // A failing order must not block the stock of the others.
            Err(error) if failing::is_row_failure(&error) => failures.push(Failure::new(id, &error)),
            Err(error) => return Err(error),
        }
    }
    failing::record_failures(&client, EXPIRY, &failures).await?;
    // Clears the failures of orders that hold no stock any more, whoever released it.
    clear_settled_failures(&client, EXPIRY).await?;
    Ok(())
}

async fn release_if_expired(client: &mut ClientWrapper, id: &str) -> anyhow::Result<()> {
    let id: OrderId = id.parse()?;
    let transaction = client.transaction().await?;
    // The order may have been paid, or its reservation renewed, since the search. An authorization
    // takes the order's lock, too.
    let unpaid = UNPAID_STATUSES.contains(&order::lock_order(&transaction, id).await?);
    if !unpaid {
        return Ok(());
    }
    lock_held_products(&transaction, &id.to_string()).await?;
    if expire_reservations(&transaction, &id.to_string()).await? > 0 {
        transaction.commit().await?;
        tracing::info!(order_id = %id, "{id}: its reservation expired; released its stock");
    }
    Ok(())
}
