//! `worker restock`: units of a product came in.

use crate::{config, db};
use anyhow::Context;

/// Adds units to a product's stock. Readers see a product that was sold out come back with the next sweep of a running worker.
///
/// # Errors
/// When there is no such product, or Postgres does not answer.
pub async fn run(settings: config::Restock) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let client = db::pool(&settings.postgres).await?.get().await.context("Postgres cannot be reached")?;
    let add = "UPDATE products SET stock = stock + $2 WHERE id = $1 RETURNING stock";
    let row = client.query_opt(add, &[&settings.product, &settings.quantity]).await?;
    let stock: i64 = row.with_context(|| format!("there is no product {}", settings.product))?.try_get(0)?;
    println!("{}: {stock} can be sold", settings.product);
    Ok(())
}
