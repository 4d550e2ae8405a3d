//! `POST /api/orders`: an order is accepted and completes.

use crate::support::{Draft, Shop, answer, seed_order, text, with_own_stack, with_shared_stack};
use anyhow::{Result, ensure};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Shorter than the time after which Temporal repeats a lost workflow task (10 s), and much longer
/// than an order takes on a slow machine.
const AT_ONCE: Duration = Duration::from_secs(8);

/// Runs with the settings of env.example, as a reader of the README does.
#[test]
fn the_order_of_the_readme_completes_at_once() {
    with_own_stack(1, &[], async |shop| {
        let db = shop.db().await?;
        let stock = "SELECT stock FROM products WHERE id = 'PROD-001'";
        let before: i64 = db.query_one(stock, &[]).await?.get(0);

        let started = Instant::now();
        let accepted = shop.post("/api/orders", seed_order()).await?;
        let location = accepted.headers().get(header::LOCATION).cloned();
        let (status, body) = answer(accepted).await?;
        let id = text(&body, "/id")?.to_owned();
        assert_eq!(
            (status, &body["status"], location.unwrap()),
            (StatusCode::ACCEPTED, &json!("PENDING"), format!("/api/orders/{id}").parse()?)
        );
        let order = shop.ends(&id, "COMPLETED").await?;
        let took = started.elapsed();
        ensure!(took < AT_ONCE, "completed only after {took:?}");

        assert_eq!(db.query_one(stock, &[]).await?.get::<_, i64>(0), before - 1);
        assert_eq!(statuses(&order), ["PENDING", "RESERVED", "PAID", "SHIPPED", "DELIVERED", "COMPLETED"]);
        assert_eq!(order["customerID"], "CUST-001");
        assert_eq!(order["totalAmount"], json!(1299.99));
        assert_eq!(order["items"], json!([{ "productID": "PROD-001", "quantity": 1, "unitPrice": 1299.99 }]));
        assert_eq!(order["payment"], json!({ "status": "CAPTURED", "amount": 1299.99 }));

        let row = db.query_one("SELECT status, total_minor, currency, version FROM orders WHERE id = $1", &[&id]).await?;
        assert_eq!((row.get(0), row.get(1), row.get(2)), ("COMPLETED", 129_999_i64, "USD"));
        assert_eq!(order["version"], json!(row.get::<_, i64>(3)));
        let payments = db.query("SELECT status, amount_minor FROM payments WHERE order_id = $1", &[&id]).await?;
        assert_eq!(payments.iter().map(|row| (row.get(0), row.get(1))).collect::<Vec<(&str, i64)>>(), [("CAPTURED", 129_999)]);
        let captures = "SELECT count(*) FROM sandbox.entries WHERE idempotency_key = $1 AND kind = 'CAPTURE'";
        assert_eq!(db.query_one(captures, &[&id]).await?.get::<_, i64>(0), 1);
        let notifications = db.query("SELECT type FROM notifications WHERE order_id = $1 ORDER BY type", &[&id]).await?;
        assert_eq!(notifications.iter().map(|row| row.get(0)).collect::<Vec<&str>>(), ["ORDER_CONFIRMED", "ORDER_DELIVERED"]);

        temporal_ui_shows(shop, &id).await?;
        shop.audit_is_clean().await
    });
}

/// Checks what Temporal's web UI shows of the order's workflow, through the endpoint that its page
/// uses.
async fn temporal_ui_shows(shop: &Shop, id: &str) -> Result<()> {
    let port = shop.stack.settings().port("TEMPORAL_WEB_PORT")?;
    let workflow: Value =
        shop.http.get(format!("http://127.0.0.1:{port}/api/v1/namespaces/default/workflows/{id}")).send().await?.json().await?;
    let info = &workflow["workflowExecutionInfo"];
    assert_eq!((text(info, "/type/name")?, text(info, "/status")?), ("OrderWorkflow", "WORKFLOW_EXECUTION_STATUS_COMPLETED"));
    Ok(())
}

#[test]
fn several_lines_of_several_products_complete() {
    with_shared_stack(async |shop| {
        let (lamp, chair) = (shop.product(1_995, 10).await?, shop.product(24_900, 10).await?);
        let draft = Draft::new("CUST-lines").line(&lamp, 2).line(&chair, 1).line(&lamp, 3);
        let order = shop.ends(&shop.place(&draft).await?, "COMPLETED").await?;
        assert_eq!(order["totalAmount"], json!(348.75));
        assert_eq!((shop.stock(&lamp).await?, shop.stock(&chair).await?), ((5, 0), (9, 0)));
        shop.audit_is_clean().await
    });
}

#[test]
fn an_amount_is_kept_exactly() {
    with_shared_stack(async |shop| {
        // In binary floating point, 0.1 + 0.2 is not 0.3.
        let (dime, two) = (shop.product(10, 10).await?, shop.product(20, 10).await?);
        let order = shop.ends(&shop.place(&Draft::new("CUST-exact").line(&dime, 1).line(&two, 1)).await?, "COMPLETED").await?;
        let raw = shop.get(&format!("/api/orders/{}", text(&order, "/id")?)).await?.text().await?;
        ensure!(raw.contains(r#""totalAmount":0.30"#), "{raw}");
        Ok(())
    });
}

/// Every status that the order has had.
pub(crate) fn statuses(order: &Value) -> Vec<&str> {
    order["history"].as_array().into_iter().flatten().filter_map(|change| change["status"].as_str()).collect()
}
