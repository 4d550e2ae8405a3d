//! Restocks: adding units to a product's stock. They come from `worker restock`, and from the
//! `RestockProduct` activity, which handles the restocks of the API.

use crate::{config, db, sql::Client, sql::restock as sql};
use anyhow::{Context, ensure};
use orders::restock::{RestockInput, RestockRequest, Restocked};
use time::OffsetDateTime;

/// `worker restock`: adds units to a product's stock. If the product was sold out, readers see that
/// it is in stock again after the next sweep of a running worker.
///
/// The restock's id is printed before the units are added. If the result remains unknown, repeat
/// the command with that id: the units are added only once.
///
/// # Errors
/// Fails if there is no such product, if the id belongs to another restock, or if Postgres does not
/// answer.
pub async fn run(settings: config::Restock) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let client = db::pool(&settings.postgres).await?.get().await.context("Postgres cannot be reached")?;
    let id = match settings.id {
        Some(id) => id,
        None => sql::generate_id(&client).await?.id.parse()?,
    };
    eprintln!("restock {id}: if the result is unknown, repeat the command with --id {id}");
    let restock = RestockInput {
        id,
        product_id: settings.product,
        request: RestockRequest { quantity: settings.quantity, reason: settings.reason },
        by: None,
        requested_at: OffsetDateTime::now_utc(),
    };
    let stock = record_restock(&client, &restock).await?.stock.with_context(|| format!("there is no product {}", restock.product_id))?;
    let recorded = sql::find_restock(&client, &id.to_string()).await?;
    let is_this = (recorded.product_id, recorded.quantity) == (restock.product_id.clone(), i64::from(settings.quantity));
    ensure!(is_this, "{id} is the id of another restock; nothing was added");
    println!("{}: {stock} can be sold", restock.product_id);
    Ok(())
}

/// Adds the units, unless this restock is on record already. Returns how many units can then be
/// sold; `None` if there is no such product.
pub(crate) async fn record_restock(client: &dyn Client, restock: &RestockInput) -> anyhow::Result<Restocked> {
    let RestockRequest { quantity, reason } = &restock.request;
    let (id, product_id, by) = (restock.id.to_string(), &restock.product_id, restock.by.as_deref());
    let stock = sql::record_restock(client, &id, product_id, i64::from(*quantity), reason.as_deref(), by, restock.requested_at).await?;
    Ok(Restocked { stock: stock.map(|row| row.stock) })
}
