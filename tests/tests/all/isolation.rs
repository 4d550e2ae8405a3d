//! A row that fails affects only itself, and the staff see it.

use crate::support::{Draft, FAST, Shop, answer, text, until, with_own_stack};
use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use reqwest::StatusCode;
use serde_json::Value;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

async fn get(shop: &Shop, path: &str) -> Result<Value> {
    let (status, body) = answer(shop.get(path).await?).await?;
    ensure!(status == StatusCode::OK, "{path}: {status} {body}");
    Ok(body)
}

/// Whether the catalogue shows this product.
async fn is_for_sale(shop: &Shop, id: &str) -> Result<bool> {
    let products = get(shop, "/api/products").await?;
    Ok(products["items"].as_array().context("no items")?.iter().any(|product| product["productID"] == id))
}

async fn becomes_for_sale(shop: &Shop, id: &str, wanted: bool) -> Result<()> {
    until("the catalogue follows", TIMEOUT, async || Ok((is_for_sale(shop, id).await? == wanted).then_some(()))).await
}

/// The ids of one kind that staff are shown.
async fn attention(shop: &Shop, kind: &str) -> Result<Vec<String>> {
    let overview = get(shop, "/api/operations").await?;
    let groups = overview["attention"]["groups"].as_array().with_context(|| format!("no attention in {overview}"))?;
    let items = groups.iter().filter(|group| group["kind"] == kind).filter_map(|group| group["items"].as_array()).flatten();
    items.map(|item| Ok(text(item, "/id")?.to_owned())).collect()
}

async fn needs_attention(shop: &Shop, kind: &str, ids: &[&str]) -> Result<()> {
    let mut last = Vec::new();
    let shown = until("staff are shown it", TIMEOUT, async || {
        last = attention(shop, kind).await.unwrap_or_default();
        Ok((last == ids).then_some(()))
    });
    shown.await.with_context(|| format!("{kind}: wanted {ids:?}, saw {last:?}"))
}

async fn worker(shop: &Shop, args: &[&str]) -> Result<(String, Option<i32>)> {
    let output = shop.stack.run("worker", args).await?;
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((printed, output.status.code()))
}

#[test]
fn rows_that_cannot_be_projected_delay_no_others() {
    with_own_stack(1, &FAST, async |shop| {
        let (product, damaged) = (shop.product(1_000, 100).await?, shop.product(1_000, 100).await?);
        let customer = shop.unique("CUST-isolation");
        let mut ids = Vec::new();
        for _ in 0..3 {
            let id = shop.place(&Draft::new(&customer).line(&product, 1)).await?;
            shop.ends(&id, "COMPLETED").await?;
            ids.push(id);
        }
        let [unreadable, much, good] = [0, 1, 2].map(|n| ids[n].as_str());
        let (db, dynamodb) = (shop.db().await?, Client::new(&shop.aws()?));
        let orders_table = shop.stack.settings().get("ORDERS_TABLE")?;

        // Very many failed refunds: the order stays readable and shows the newest ones.
        let refunds = "INSERT INTO refunds (id, order_id, state, amount_minor, reason, failure_reason, restock, requested_at)
            SELECT 'ref_' || md5($1 || n), $1, 'PENDING', 0, repeat('👋', 200), NULL, false, now() + n * interval '1 ms' FROM generate_series(1, 420) n";
        db.execute(refunds, &[&much]).await?;
        db.execute("UPDATE refunds SET state = 'FAILED', failure_reason = repeat('👋', 2000) WHERE order_id = $1", &[&much]).await?;
        let refused = "INSERT INTO refunds (id, order_id, state, amount_minor, restock, requested_at) VALUES ('ref_' || md5('one more'), $1, 'FAILED', 0, false, now())";
        assert_eq!(db.execute(refused, &[&much]).await?, 0, "no more of them are kept");
        // An order that cannot be read, and a product that DynamoDB does not accept.
        db.execute("UPDATE orders SET currency = 'ZZZ' WHERE id = $1", &[&unreadable]).await?;
        db.execute("UPDATE orders SET version = version + 1 WHERE id = ANY ($1)", &[&vec![unreadable, much]]).await?;
        db.execute("UPDATE products SET name = repeat('x', 450000) WHERE id = $1", &[&damaged.id]).await?;

        let new = shop.product(500, 1).await?;
        becomes_for_sale(shop, &new.id, true).await?;
        let order = until("the refunds are shown", TIMEOUT, async || {
            let order = shop.order(much).await?;
            Ok((order["refundCount"] == 420).then_some(order))
        })
        .await?;
        assert_eq!(order["refunds"].as_array().map(Vec::len), Some(20));
        needs_attention(shop, "PROJECTION_ORDERS", &[unreadable]).await?;
        needs_attention(shop, "PROJECTION_PRODUCTS", &[&damaged.id]).await?;
        let port = shop.stack.settings().port("WORKER_PORT")?;
        let metrics = shop.http.get(format!("http://127.0.0.1:{port}/metrics")).send().await?.text().await?;
        let counted =
            |line: &&str| line.starts_with("orderflow_failing_rows{") && line.contains("PROJECTION_ORDERS") && line.ends_with(" 1.0");
        ensure!(metrics.lines().any(|line| counted(&line)), "{metrics}");

        // A list leaves out an item that cannot be read.
        let broken = dynamodb.update_item().table_name(orders_table).key("id", AttributeValue::S(much.to_owned()));
        broken.update_expression("REMOVE doc").send().await?;
        let list = get(shop, &format!("/api/orders?customerID={customer}")).await?;
        let listed: Vec<_> = list["items"].as_array().context("no items")?.iter().map(|order| order["id"].clone()).collect();
        assert_eq!(listed, [Value::from(good), Value::from(unreadable)]);

        // The audit names the failing rows and checks everything else. The repair corrects what it
        // can.
        dynamodb.delete_item().table_name(orders_table).key("id", AttributeValue::S(good.to_owned())).send().await?;
        let (printed, status) = worker(shop, &["audit", "--repair"]).await?;
        assert_eq!(status, Some(1), "{printed}");
        ensure!(printed.contains("read model: 2 entries projected again, 0 removed, 2 left as they are"), "{printed}");
        for (invariant, id) in [
            ("no row fails by itself", unreadable),
            ("no row fails by itself", damaged.id.as_str()),
            ("the read model shows what Postgres has", unreadable),
        ] {
            ensure!(printed.contains(&format!("{invariant}: {id}: ")), "{invariant} {id}: {printed}");
        }
        ensure!(!printed.contains(&format!("the read model shows what Postgres has: {much}")), "{printed}");
        assert_eq!(shop.order(good).await?["status"], "COMPLETED");
        assert_eq!(shop.order(much).await?["refundCount"], 420);

        // Once corrected, the rows are projected like all others.
        db.execute("UPDATE orders SET currency = 'USD' WHERE id = $1", &[&unreadable]).await?;
        db.execute("UPDATE products SET name = 'mended' WHERE id = $1", &[&damaged.id]).await?;
        let (printed, status) = worker(shop, &["project"]).await?;
        assert_eq!(status, Some(0), "{printed}");
        needs_attention(shop, "PROJECTION_ORDERS", &[]).await?;
        needs_attention(shop, "PROJECTION_PRODUCTS", &[]).await?;
        shop.audit_is_clean().await
    });
}

#[test]
fn health_shows_whether_orders_proceed() {
    with_own_stack(1, &FAST, async |shop| {
        let down = async || -> Result<(Value, Vec<String>)> {
            let (_, health) = answer(shop.get("/api/health").await?).await?;
            let parts = health["dependencies"].as_array().context("no dependencies")?.iter().filter(|part| part["state"] == "down");
            Ok((health["status"].clone(), parts.map(|part| part["name"].as_str().unwrap_or_default().to_owned()).collect()))
        };
        let becomes = async |status: &str, parts: &[&str]| -> Result<()> {
            let mut last = (Value::Null, Vec::new());
            let seen = until("health says so", Duration::from_secs(90), async || {
                last = down().await?;
                Ok((last.0 == status && last.1 == parts).then_some(()))
            });
            seen.await.with_context(|| format!("wanted {status} {parts:?}, saw {last:?}"))
        };
        becomes("ok", &[]).await?;
        let health = get(shop, "/api/health").await?;
        let names: Vec<_> = health["dependencies"].as_array().into_iter().flatten().map(|part| part["name"].clone()).collect();
        let expected =
            ["read-model", "temporal", "intake-queue", "idempotency", "workers", "postgres", "projection", "outbox", "queue-consumer"];
        assert_eq!(names, expected.map(Value::from));

        // Postgres refuses writes.
        let db = shop.db().await?;
        let read_only = |on: &str| format!("ALTER SYSTEM SET default_transaction_read_only = {on}");
        db.batch_execute(&read_only("on")).await?;
        db.batch_execute("SELECT pg_reload_conf()").await?;
        becomes("degraded", &["postgres"]).await?;
        let port = shop.stack.settings().port("WORKER_PORT")?;
        let ready = shop.http.get(format!("http://127.0.0.1:{port}/health/ready")).send().await?;
        assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
        db.batch_execute("SET default_transaction_read_only = off").await?;
        db.batch_execute(&read_only("off")).await?;
        db.batch_execute("SELECT pg_reload_conf()").await?;
        becomes("ok", &[]).await?;

        // Idempotency keys cannot be claimed.
        let dynamodb = Client::new(&shop.aws()?);
        dynamodb.delete_table().table_name(shop.stack.settings().get("IDEMPOTENCY_TABLE")?).send().await?;
        becomes("degraded", &["idempotency"]).await?;
        shop.stack.emulator.restart().await?;
        becomes("ok", &[]).await?;

        // No worker runs.
        shop.stack.workers[0].stop().await?;
        becomes("degraded", &["workers"]).await
    });
}

#[test]
fn a_lost_read_model_is_rebuilt() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 100).await?;
        let id = shop.place(&Draft::new("CUST-lost").line(&product, 1)).await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        let (gone, again) = (shop.product(1_000, 1).await?, shop.product(1_000, 1).await?);
        becomes_for_sale(shop, &again.id, true).await?;
        becomes_for_sale(shop, &gone.id, true).await?;
        // A product is deleted and created again: readers see the new one.
        let db = shop.db().await?;
        db.execute("UPDATE products SET price_minor = 1100 WHERE id = $1", &[&again.id]).await?;
        db.execute("DELETE FROM products WHERE id = ANY ($1)", &[&vec![&gone.id, &again.id]]).await?;
        becomes_for_sale(shop, &gone.id, false).await?;
        db.execute("INSERT INTO products (id, name, price_minor, currency, stock) VALUES ($1, 'again', 900, 'USD', 1)", &[&again.id])
            .await?;
        becomes_for_sale(shop, &again.id, true).await?;
        shop.audit_is_clean().await?;

        // As after a power failure: the emulator has lost its memory, while Postgres has everything
        // marked as projected.
        shop.stack.workers[0].stop().await?;
        shop.stack.emulator.kill().await?;
        shop.stack.emulator.start().await?;
        ensure!(shop.get(&format!("/api/orders/{id}")).await?.status() == StatusCode::NOT_FOUND);
        shop.stack.project().await?;
        assert_eq!(shop.order(&id).await?, order);

        // As when somebody deletes a table.
        let dynamodb = Client::new(&shop.aws()?);
        for table in ["ORDERS_TABLE", "PRODUCTS_TABLE", "IDEMPOTENCY_TABLE"] {
            dynamodb.delete_table().table_name(shop.stack.settings().get(table)?).send().await?;
        }
        shop.stack.emulator.restart().await?;
        shop.stack.project().await?;
        shop.stack.workers[0].start().await?;
        assert_eq!(shop.order(&id).await?, order);
        ensure!(is_for_sale(shop, &again.id).await? && !is_for_sale(shop, &gone.id).await?);
        let list = get(shop, "/api/orders?customerID=CUST-lost").await?;
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "the indexes are there, too");
        shop.audit_is_clean().await
    });
}
