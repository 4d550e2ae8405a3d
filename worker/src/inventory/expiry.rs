//! Gives back stock that has been held for too long for orders that are not paid. One that is RESERVED then fails when it comes to be paid; one that
//! waits for somebody's decision is reserved anew when it is decided, if that can still be.
//!
//! Once the amount is authorized it is being taken, or has been and the answer was lost: then the stock stays until the order goes on, or is withdrawn.

use crate::{
    db,
    failing::{self, EXPIRY, Failure},
    order,
    sql::{
        self,
        inventory::{clear_settled_failures, expire_reservations, expired_orders, lock_held_products},
    },
};
use deadpool_postgres::{ClientWrapper, Pool};
use orders::{OrderId, OrderStatus};
use std::time::Duration;

/// How often expired reservations are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// Orders looked at in one go.
const BATCH: i64 = 100;
/// The statuses of orders that may hold stock, and are not paid.
const UNPAID: [OrderStatus; 3] = [OrderStatus::ActionRequired, OrderStatus::InReview, OrderStatus::Reserved];

/// Sweeps for ever. Any number of workers may.
pub(crate) async fn run(pool: Pool) {
    loop {
        tokio::time::sleep(SWEEP).await;
        if let Err(error) = sweep(&pool).await {
            tracing::warn!(error = format!("{error:#}"), "expired reservations cannot be given back now");
            tokio::time::sleep(SWEEP).await;
        }
    }
}

async fn sweep(pool: &Pool) -> anyhow::Result<()> {
    let mut client = db::connection(pool).await?;
    let mut failures = Vec::new();
    for sql::Id { id } in expired_orders(&client, BATCH).await? {
        match expire(&mut client, &id).await {
            Ok(()) => {}
            // One order that cannot be dealt with does not keep the stock of the others.
            Err(error) if failing::is_of_row(&error) => failures.push(Failure::new(id, &error)),
            Err(error) => return Err(error),
        }
    }
    failing::record(&client, EXPIRY, &failures).await?;
    // An order that holds nothing any more, for whatever reason, does not fail here.
    clear_settled_failures(&client, EXPIRY).await?;
    Ok(())
}

async fn expire(client: &mut ClientWrapper, id: &str) -> anyhow::Result<()> {
    let id: OrderId = id.parse()?;
    let transaction = client.transaction().await?;
    // It may have been paid, or its reservation renewed, since; authorizing takes the order's lock, too.
    let unpaid = UNPAID.contains(&order::lock(&transaction, id).await?);
    if !unpaid {
        return Ok(());
    }
    lock_held_products(&transaction, &id.to_string()).await?;
    if expire_reservations(&transaction, &id.to_string()).await? > 0 {
        transaction.commit().await?;
        tracing::info!(order_id = %id, "{id}: its stock was held for too long and is given back");
    }
    Ok(())
}
