//! `GET /api/products`: the catalogue, which follows Postgres with a short delay.

use crate::support::{Draft, Shop, answer, until, with_shared_stack};
use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

async fn catalogue(shop: &Shop) -> Result<Vec<Value>> {
    let (status, body) = answer(shop.get("/api/products").await?).await?;
    ensure!(status == StatusCode::OK, "{status}: {body}");
    Ok(body["items"].as_array().context("no items")?.clone())
}

async fn shows(shop: &Shop, wanted: Value) -> Result<()> {
    let mut seen = Value::Null;
    let shown = until("the catalogue shows a product", Duration::from_secs(10), async || {
        seen = catalogue(shop).await?.into_iter().find(|product| product["productID"] == wanted["productID"]).unwrap_or_default();
        Ok((seen == wanted).then_some(()))
    })
    .await;
    shown.with_context(|| format!("wanted {wanted}, saw {seen}"))
}

#[test]
fn the_seed_has_a_hundred_products() {
    with_shared_stack(async |shop| {
        let products = catalogue(shop).await?;
        let seed = products.iter().filter(|product| product["productID"].as_str().is_some_and(|id| id.starts_with("PROD-"))).count();
        ensure!(seed >= 100, "{seed} products");
        shows(shop, json!({ "productID": "PROD-001", "name": "Aurora Laptop", "unitPrice": 1299.99, "currency": "USD", "inStock": true }))
            .await
    });
}

#[test]
fn the_catalogue_follows_price_and_availability() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 1).await?;
        let shown = |price: f64, in_stock: bool| json!({ "productID": product.id, "name": product.id, "unitPrice": price, "currency": "USD", "inStock": in_stock });
        shows(shop, shown(10.0, true)).await?;
        shop.ends(&shop.place(&Draft::new("CUST-last").line(&product, 1)).await?, "COMPLETED").await?;
        shows(shop, shown(10.0, false)).await?;
        let change = "UPDATE products SET price_minor = 1250, stock = 3 WHERE id = $1";
        shop.db().await?.execute(change, &[&product.id]).await?;
        shows(shop, shown(12.5, true)).await
    });
}
