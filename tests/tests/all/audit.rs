//! `worker audit`: it finds each kind of broken invariant, and it rebuilds the read model from
//! Postgres.

use crate::support::{Draft, FAST, Shop, answer, until, with_own_stack};
use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    types::AttributeValue,
};
use aws_smithy_http_client::Builder;
use futures::future::try_join_all;
use serde_json::Value;
use std::time::Duration;

fn dynamodb(shop: &Shop) -> Result<Client> {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(Builder::new().build_http())
        .endpoint_url(shop.stack.settings().get("AWS_ENDPOINT_URL")?)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"));
    Ok(Client::from_conf(config.build()))
}

/// Runs the audit. Returns what it prints and its exit status.
async fn audit(shop: &Shop, args: &[&str]) -> Result<(String, Option<i32>)> {
    let output = shop.stack.run("worker", &[&["audit"], args].concat()).await?;
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((printed, output.status.code()))
}

/// Each way to break an invariant: the invariant, and the SQL that breaks it for the order or
/// product $1.
const BREACHES: &[(&str, &str)] = &[
    ("what is sold is what is reserved", "UPDATE reservations SET state = 'RELEASED' WHERE order_id = '$1'"),
    ("reservations follow their shipments", "UPDATE reservations SET state = 'HELD' WHERE order_id = '$1'"),
    (
        "no reservation outlives its order",
        "DELETE FROM shipments WHERE order_id = '$1'; UPDATE reservations SET state = 'HELD' WHERE order_id = '$1'",
    ),
    ("no reservation outlives its order", "UPDATE reservations SET in_transit = true WHERE order_id = '$1'"),
    ("reservations follow their shipments", "UPDATE shipments SET status = 'LOST' WHERE order_id = '$1'"),
    (
        "every unit is in one place",
        "ALTER TABLE reservations DROP CONSTRAINT reservations_units_check; UPDATE reservations SET written_off = 2 WHERE order_id = '$1'",
    ),
    ("returned and written-off units match the refunds", "UPDATE reservations SET written_off = 1 WHERE order_id = '$1'"),
    ("returned and written-off units match the refunds", "UPDATE reservations SET returned = 1 WHERE order_id = '$1'"),
    (
        "no more units are given back than were bought",
        "INSERT INTO refunds (id, order_id, state, amount_minor, restock, requested_at) VALUES ('ref_' || substr('$1', 5), '$1', 'PENDING', 0, true, now());
        INSERT INTO refund_items (refund_id, product_id, quantity) SELECT 'ref_' || substr('$1', 5), product_id, 2 FROM order_items WHERE order_id = '$1'",
    ),
    ("an order ends with its shipments", "UPDATE shipments SET status = 'IN_TRANSIT' WHERE order_id = '$1'"),
    // The refund failed at the gateway.
    (
        "undelivered units are refunded",
        "UPDATE shipments SET status = 'LOST' WHERE order_id = '$1';
        INSERT INTO refunds (id, order_id, state, amount_minor, restock, requested_at) VALUES ('ref_' || substr('$1', 5), '$1', 'FAILED', 10, false, now())",
    ),
    ("a total is the sum of its lines", "UPDATE order_items SET unit_price_minor = unit_price_minor + 1 WHERE order_id = '$1'"),
    (
        "an order is captured at most once",
        "ALTER TABLE sandbox.entries DROP CONSTRAINT entries_once;
        INSERT INTO sandbox.entries (idempotency_key, kind, amount_minor, currency) VALUES ('$1', 'CAPTURE', 0, 'USD')",
    ),
    (
        "what is charged is what was sold",
        "INSERT INTO sandbox.entries (idempotency_key, kind, amount_minor, currency) VALUES ('$1', 'REFUND', 1, 'USD')",
    ),
    ("what is recorded as paid is what was sold", "UPDATE payments SET amount_minor = amount_minor + 1 WHERE order_id = '$1'"),
    // A failed order must not be charged.
    (
        "what is charged is what was sold",
        "UPDATE orders SET status = 'FAILED' WHERE id = '$1'; UPDATE payments SET status = 'REFUNDED', refunded_minor = amount_minor WHERE order_id = '$1'",
    ),
    ("what is recorded as paid is what was sold", "UPDATE orders SET status = 'CANCELLED' WHERE id = '$1'"),
    ("a recorded payment matches the ledger", "UPDATE payments SET status = 'VOIDED' WHERE order_id = '$1'"),
    (
        "the refunded amount is the sum of refunds",
        "INSERT INTO refunds (id, order_id, state, amount_minor, restock, requested_at) VALUES ('ref_' || substr('$1', 5), '$1', 'SUCCEEDED', 5, false, now())",
    ),
    (
        "a refund is decided soon",
        "INSERT INTO refunds (id, order_id, state, amount_minor, restock, requested_at, created_at)
        VALUES ('ref_' || substr('$1', 5), '$1', 'PENDING', 5, false, now(), now() - interval '1 hour')",
    ),
    ("every change is in the history", "DELETE FROM order_history h WHERE order_id = '$1' AND status = 'COMPLETED'"),
    ("only legal transitions", "UPDATE order_history SET status = 'FAILED' WHERE order_id = '$1' AND status = 'RESERVED'"),
    (
        "the customer is notified of the order's end",
        "DELETE FROM notifications WHERE order_id = '$1';
        INSERT INTO notifications (order_id, type, channel, state) VALUES ('$1', 'ORDER_SHIPPED', 'NONE', 'RECORDED');
        UPDATE orders SET updated_at = now() - interval '1 hour' WHERE id = '$1'",
    ),
    ("no row fails by itself", "INSERT INTO failing_rows (loop, row_id, error, next_attempt_at) VALUES ('TEST', '$1', 'no currency', now())"),
    (
        "no order is stuck",
        "WITH history AS (UPDATE order_history SET at = at - interval '1 hour' WHERE order_id = '$1')
        UPDATE orders SET status = 'PAID', created_at = now() - interval '1 hour' WHERE id = '$1'",
    ),
];

#[test]
fn the_audit_finds_each_kind_of_breach_and_only_those() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let draft = Draft::new("CUST-audit").line(&product, 1);
        // Eight orders at a time, because other stacks start at the same time.
        let mut ids = Vec::new();
        while ids.len() < BREACHES.len() + 3 {
            let some = try_join_all((0..8).map(|_| shop.place(&draft))).await?;
            try_join_all(some.iter().map(|id| shop.ends(id, "COMPLETED"))).await?;
            ids.extend(some);
        }
        ids.truncate(BREACHES.len() + 3);
        shop.audit_is_clean().await?;
        // A running worker would project some of the broken rows.
        shop.stack.workers[0].stop().await?;

        let db = shop.db().await?;
        let mut expected = Vec::new();
        for ((invariant, sql), id) in BREACHES.iter().zip(&ids) {
            db.batch_execute(&sql.replace("$1", id)).await.with_context(|| format!("cannot break: {invariant}"))?;
            expected.push(format!("{invariant}: {id}"));
        }
        let (negative, miscounted, unexplained) = (shop.product(1, 1).await?, shop.product(1, 1).await?, shop.product(1, 1).await?);
        db.batch_execute(&format!(
            "ALTER TABLE products DROP CONSTRAINT products_stock_check;
            UPDATE products SET stock = -1 WHERE id = '{}';
            UPDATE products SET reserved = 7 WHERE id = '{}';
            DELETE FROM stock_movements WHERE product_id = '{}';
            INSERT INTO sandbox.charges (idempotency_key, amount_minor, currency, state) VALUES ('nobody', 5, 'USD', 'CAPTURED');
            INSERT INTO sandbox.entries (idempotency_key, kind, amount_minor, currency) VALUES ('nobody', 'CAPTURE', 5, 'USD')",
            negative.id, miscounted.id, unexplained.id
        ))
        .await?;
        expected.push(format!("stock is never below zero: {}", negative.id));
        expected.push(format!("stock is the sum of its movements: {}", unexplained.id));
        expected.push(format!("reserved stock is what orders hold: {}", miscounted.id));
        expected.push("money is charged for orders only: nobody".to_owned());

        let (dynamodb, table) = (dynamodb(shop)?, shop.stack.settings().get("ORDERS_TABLE")?);
        let [missing, altered, _] = &ids[BREACHES.len()..] else { anyhow::bail!("too few orders") };
        dynamodb.delete_item().table_name(table).key("id", AttributeValue::S(missing.clone())).send().await?;
        let found = dynamodb.get_item().table_name(table).key("id", AttributeValue::S(altered.clone())).send().await?;
        let mut item = found.item.context("the read model lacks an order")?;
        let doc = item["doc"].as_s().ok().context("no doc")?.replace("CUST-audit", "CUST-other");
        item.insert("doc".to_owned(), AttributeValue::S(doc.clone()));
        dynamodb.put_item().table_name(table).set_item(Some(item.clone())).send().await?;
        let unknown = "ord_01930000000070008000000000000001";
        item.insert("id".to_owned(), AttributeValue::S(unknown.to_owned()));
        let year = creation_year(&doc)?;
        item.insert("doc".to_owned(), AttributeValue::S(doc.replace(&format!("\"createdAt\":\"{year}"), "\"createdAt\":\"2020")));
        dynamodb.put_item().table_name(table).set_item(Some(item)).send().await?;
        expected.extend([missing, altered, unknown].map(|id| format!("the read model shows what Postgres has: {id}")));

        let (printed, status) = audit(shop, &[]).await?;
        assert_eq!(status, Some(1), "{printed}");
        for finding in &expected {
            ensure!(printed.contains(finding), "not found: {finding}\nin: {printed}");
        }
        let healthy = &ids[BREACHES.len() + 2];
        ensure!(!printed.contains(healthy), "{healthy} is as it should be: {printed}");
        Ok(())
    });
}

/// The audit names running workflows whose orders are not on record, and running workflows whose
/// orders have ended.
#[test]
fn the_audit_finds_workflows_without_an_open_order() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 10).await?;
        let place = async |method: &str| shop.place(&Draft::new("CUST-audit").line(&product, 1).payment_method(method)).await;
        let (ended, open) = (place("tok_down").await?, place("tok_down").await?);
        try_join_all([&ended, &open].map(|id| shop.reaches(id, &["RESERVED"]))).await?;
        shop.stack.workers[0].kill().await?;
        let unknown = place("tok_visa").await?;
        let end = "WITH history AS (UPDATE order_history SET status = 'FAILED' WHERE order_id = $1 AND status = 'RESERVED')
            UPDATE orders SET status = 'FAILED' WHERE id = $1";
        shop.db().await?.execute(end, &[&ended]).await?;
        let stuck_after = ["--stuck-after", "1"];
        let (printed, _) = until("they have run for long", Duration::from_secs(20), async || {
            let found = audit(shop, &stuck_after).await?;
            Ok(found.0.contains(&format!("no order is stuck: {unknown}")).then_some(found))
        })
        .await?;
        for (id, what) in [(&unknown, "not on record"), (&ended, "FAILED")] {
            let finding = format!("no order is stuck: {id}: {what}, but its workflow has been running for more than 1 s");
            ensure!(printed.contains(&finding), "{printed}");
        }
        ensure!(!printed.contains(&format!("{open}: RESERVED, but")), "{printed}");
        shop.stack.workers[0].start().await
    });
}

/// The year in which an order was created.
fn creation_year(doc: &str) -> Result<String> {
    let order: Value = serde_json::from_str(doc)?;
    Ok(order["createdAt"].as_str().context("no createdAt")?[..4].to_owned())
}

#[test]
fn a_repair_rebuilds_an_emptied_read_model() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let methods = ["tok_visa", "tok_declined", "tok_visa", "tok_visa"];
        let drafts: Vec<Draft> = methods.iter().map(|method| Draft::new("CUST-repair").line(&product, 2).payment_method(method)).collect();
        let ids = try_join_all(drafts.iter().map(|draft| shop.place(draft))).await?;
        try_join_all(ids.iter().map(|id| shop.reaches(id, &["COMPLETED", "FAILED"]))).await?;
        shop.audit_is_clean().await?;
        let before = readers_see(shop, &ids).await?;

        let dynamodb = dynamodb(shop)?;
        for (setting, key) in [("ORDERS_TABLE", "id"), ("PRODUCTS_TABLE", "productID")] {
            let table = shop.stack.settings().get(setting)?;
            let mut items = dynamodb.scan().table_name(table).into_paginator().items().send();
            while let Some(item) = items.next().await {
                dynamodb.delete_item().table_name(table).key(key, item?[key].clone()).send().await?;
            }
        }
        ensure!(shop.get(&format!("/api/orders/{}", ids[0])).await?.status() == 404);
        let (printed, status) = audit(shop, &[]).await?;
        assert_eq!(status, Some(1), "{printed}");
        let (printed, status) = audit(shop, &["--repair"]).await?;
        assert_eq!(status, Some(0), "{printed}");
        assert_eq!(readers_see(shop, &ids).await?, before);
        shop.audit_is_clean().await
    });
}

/// What readers see: the orders one by one, the list of orders, and the catalogue.
async fn readers_see(shop: &Shop, ids: &[String]) -> Result<Vec<Value>> {
    let mut seen = try_join_all(ids.iter().map(|id| shop.order(id))).await?;
    for path in ["/api/orders?customerID=CUST-repair", "/api/products"] {
        seen.push(answer(shop.get(path).await?).await?.1);
    }
    Ok(seen)
}
