//! Units of a product that came in: by `worker restock`, and by the activity that the API's restocks lead to.

use crate::{config, db};
use anyhow::{Context, ensure};
use deadpool_postgres::GenericClient;
use orders::restock::{RestockInput, RestockRequest, Restocked};
use time::OffsetDateTime;

/// Adds units to a product's stock. Readers see a product that was sold out come back with the next sweep of a running worker.
///
/// The restock's id is printed before the units are added: whoever does not learn the end repeats the command with that id, and adds them once.
///
/// # Errors
/// When there is no such product, the id is another restock's, or Postgres does not answer.
pub async fn run(settings: config::Restock) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let client = db::pool(&settings.postgres).await?.get().await.context("Postgres cannot be reached")?;
    let id = match settings.id {
        Some(id) => id,
        None => {
            let drawn = "SELECT 'rst_' || replace(gen_random_uuid()::text, '-', '')";
            client.query_one(drawn, &[]).await?.try_get::<_, &str>(0)?.parse()?
        }
    };
    eprintln!("restock {id}; should its end not be known, repeat it with --id {id}");
    let restock = RestockInput {
        id,
        product_id: settings.product,
        request: RestockRequest { quantity: settings.quantity, reason: settings.reason },
        by: None,
        requested_at: OffsetDateTime::now_utc(),
    };
    let stock = record(&client, &restock).await?.stock.with_context(|| format!("there is no product {}", restock.product_id))?;
    let on_record = client.query_one("SELECT product_id, quantity FROM restocks WHERE id = $1", &[&id.to_string()]).await?;
    let is_this =
        (on_record.try_get::<_, &str>(0)?, on_record.try_get::<_, i64>(1)?) == (&*restock.product_id, i64::from(settings.quantity));
    ensure!(is_this, "{id} is the id of another restock; nothing was added");
    println!("{}: {stock} can be sold", restock.product_id);
    Ok(())
}

/// Adds the units, unless this restock is on record already; answers what can be sold then.
pub(crate) async fn record(client: &impl GenericClient, restock: &RestockInput) -> anyhow::Result<Restocked> {
    let statement = client
        .prepare_cached(
            "WITH noted AS (
                INSERT INTO restocks (id, product_id, quantity, reason, requested_by, requested_at)
                SELECT $1, p.id, $3, $4, $5, $6 FROM products p WHERE p.id = $2 ON CONFLICT (id) DO NOTHING
                RETURNING product_id, quantity
            ), added AS (
                UPDATE products p SET stock = p.stock + n.quantity FROM noted n WHERE p.id = n.product_id RETURNING p.stock
            )
            SELECT coalesce((SELECT stock FROM added), stock) FROM products WHERE id = $2",
        )
        .await?;
    let RestockRequest { quantity, reason } = &restock.request;
    let row = client
        .query_opt(
            &statement,
            &[&restock.id.to_string(), &restock.product_id, &i64::from(*quantity), reason, &restock.by, &restock.requested_at],
        )
        .await?;
    Ok(Restocked { stock: row.map(|row| row.try_get(0)).transpose()? })
}
