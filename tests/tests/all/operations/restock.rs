//! `POST /api/products/{id}/restock`: restocked units can be sold, and each delivery counts once.

use crate::support::{Draft, FAST, FailPoints, Function, Pool, Product, Shop, answer, text, until, with_own_stack, with_shared_stack};
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Restocks units. Without a given key, it uses a new one.
async fn restock(shop: &Shop, product: &str, body: &Value, key: Option<&str>) -> Result<(StatusCode, Value)> {
    let key = key.map_or_else(|| shop.unique("restock"), str::to_owned);
    let request = shop.request(Method::POST, &format!("/api/products/{product}/restock")).header(header::CONTENT_TYPE, "application/json");
    answer(request.header("Idempotency-Key", key).body(body.to_string()).send().await?).await
}

/// The quantities of a product's restocks in the stock ledger.
async fn movements(shop: &Shop, product: &Product) -> Result<Vec<i64>> {
    let movements = "SELECT quantity FROM stock_movements WHERE product_id = $1 AND reason = 'RESTOCKED' ORDER BY id";
    Ok(shop.db().await?.query(movements, &[&product.id]).await?.iter().map(|row| row.get(0)).collect())
}

#[test]
fn a_repeated_restock_counts_once() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 0).await?;
        let (key, delivery) = (shop.unique("restock"), json!({ "quantity": 5, "reason": "delivery of Monday" }));
        let answers = try_join_all((0..5).map(|_| restock(shop, &product.id, &delivery, Some(&key)))).await?;
        for (status, answer) in &answers {
            let expected = json!({ "id": answers[0].1["id"], "productID": product.id, "inStock": true, "stock": 5 });
            assert_eq!((*status, answer), (StatusCode::OK, &expected));
        }
        assert_eq!((shop.stock(&product).await?, movements(shop, &product).await?), ((5, 0), vec![5]));
        let (status, problem) = restock(shop, &product.id, &json!({ "quantity": 6 }), Some(&key)).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/problems/idempotency-key-reused")));
        // The same key and body for another product is another request.
        let other = shop.product(1_000, 0).await?;
        assert_eq!(restock(shop, &other.id, &delivery, Some(&key)).await?.0, StatusCode::UNPROCESSABLE_ENTITY);

        // Each new key is a new delivery.
        for stock in [7, 9] {
            assert_eq!(restock(shop, &product.id, &json!({ "quantity": 2 }), None).await?.1["stock"], stock);
        }
        let (status, problem) = answer(shop.post(&format!("/api/products/{}/restock", product.id), r#"{"quantity":2}"#).await?).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::BAD_REQUEST, &json!("/problems/idempotency-key-required")));
        assert_eq!(movements(shop, &product).await?, [5, 2, 2]);
        let noted = "SELECT reason FROM restocks WHERE id = $1";
        let id = text(&answers[0].1, "/id")?;
        assert_eq!(shop.db().await?.query_one(noted, &[&id]).await?.get::<_, &str>(0), "delivery of Monday");

        until("the catalogue has it", TIMEOUT, async || {
            let (_, catalogue) = answer(shop.get("/api/products").await?).await?;
            let mut items = catalogue["items"].as_array().into_iter().flatten();
            Ok(items.any(|item| item["productID"] == product.id && item["inStock"] == true).then_some(()))
        })
        .await?;
        shop.ends(&shop.place(&Draft::new("CUST-restocked").line(&product, 9)).await?, "COMPLETED").await?;
        assert_eq!(shop.stock(&product).await?, (0, 0));
        shop.audit_is_clean().await
    });
}

#[test]
fn an_invalid_restock_is_refused() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 1).await?;
        for id in ["NO-SUCH-PRODUCT", "not%20an%20id", "%ff", &"x".repeat(65)] {
            let (status, problem) = restock(shop, id, &json!({ "quantity": 1 }), None).await?;
            assert_eq!((status, &problem["type"]), (StatusCode::NOT_FOUND, &json!("/problems/product-not-found")), "{id}: {problem}");
        }
        for (body, pointer) in [
            (json!({}), "/quantity"),
            (json!({ "quantity": 0 }), "/quantity"),
            (json!({ "quantity": 1_000_001 }), "/quantity"),
            (json!({ "quantity": 1.5 }), "/quantity"),
            (json!({ "quantity": 1, "reason": "x".repeat(201) }), "/reason"),
            (json!({ "quantity": 1, "price": 1 }), "/price"),
        ] {
            let (status, problem) = restock(shop, &product.id, &body, None).await?;
            assert_eq!(
                (status, &problem["errors"][0]["pointer"]),
                (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)),
                "{body}: {problem}"
            );
        }
        assert_eq!(shop.stock(&product).await?, (1, 0));

        let pool = Pool::create(shop).await?;
        let (staff, admin) = (pool.user("sue", Some("staff")).await?, pool.user("eve", Some("admin")).await?);
        let mut function = Function::start_with(shop, "restock-product", &pool.settings()).await?;
        let mut event = Function::event("POST", &format!("/api/products/{}/restock", product.id), Some(r#"{"quantity":3}"#));
        event["headers"]["idempotency-key"] = "by-staff".into();
        assert_eq!(function.answer(&event).await?.0, 401);
        for (user, status) in [(&staff, 403), (&admin, 200)] {
            let mut event = event.clone();
            event["headers"]["authorization"] = format!("Bearer {}", user.access).into();
            let (answered, body) = function.answer(&event).await?;
            assert_eq!(answered, status, "{body}");
        }
        let by = "SELECT requested_by FROM restocks WHERE product_id = $1";
        assert_eq!(shop.db().await?.query_one(by, &[&product.id]).await?.get::<_, &str>(0), admin.id);
        assert_eq!(shop.stock(&product).await?, (4, 0));
        Ok(())
    });
}

/// The worker dies after it added the units and before it reported that.
#[test]
fn a_restock_by_a_dead_worker_is_not_repeated() {
    let fail_points = FailPoints::new().expect("a folder for fail points");
    let folder = fail_points.folder();
    with_own_stack(1, &[&FAST[..], &[("FAIL_POINTS", folder.as_str())]].concat(), async |shop| {
        let product = shop.product(1_000, 0).await?;
        let worker = &shop.stack.workers[0];
        fail_points.arm("RestockProduct")?;
        let (status, taken) = restock(shop, &product.id, &json!({ "quantity": 4 }), Some("its-worker-dies")).await?;
        assert_eq!(status, StatusCode::ACCEPTED, "{taken}");
        until("the worker dies", TIMEOUT, async || Ok(worker.pid().is_none().then_some(()))).await?;
        ensure!(fail_points.armed()?.is_empty(), "it died of something else");
        assert_eq!(shop.stock(&product).await?, (4, 0));
        worker.start().await?;
        let again = until("the restock is done", TIMEOUT, async || {
            let (status, done) = restock(shop, &product.id, &json!({ "quantity": 4 }), Some("its-worker-dies")).await?;
            Ok((status == StatusCode::OK).then_some(done))
        })
        .await?;
        assert_eq!((&again["id"], &again["stock"]), (&taken["id"], &json!(4)));
        assert_eq!((shop.stock(&product).await?, movements(shop, &product).await?), ((4, 0), vec![4]));
        shop.audit_is_clean().await
    });
}

/// While the units cannot be added, the caller learns that the request is accepted. The units
/// follow as soon as possible.
#[test]
fn a_restock_waits_for_workers_and_for_postgres() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 0).await?;
        let worker = &shop.stack.workers[0];
        worker.stop().await?;
        let (status, taken) = restock(shop, &product.id, &json!({ "quantity": 4 }), Some("without-a-worker")).await?;
        assert_eq!((status, &taken["productID"], &taken["stock"]), (StatusCode::ACCEPTED, &json!(product.id), &Value::Null), "{taken}");
        worker.start().await?;
        until("the units are there", TIMEOUT, async || Ok((shop.stock(&product).await? == (4, 0)).then_some(()))).await?;
        let (status, done) = restock(shop, &product.id, &json!({ "quantity": 4 }), Some("without-a-worker")).await?;
        assert_eq!((status, &done["id"], &done["stock"]), (StatusCode::OK, &taken["id"], &json!(4)), "{done}");

        shop.stack.postgres.stop().await?;
        let (status, _) = restock(shop, &product.id, &json!({ "quantity": 1 }), None).await?;
        assert_eq!(status, StatusCode::ACCEPTED);
        shop.stack.postgres.start().await?;
        until("the unit is there", TIMEOUT, async || Ok((shop.stock(&product).await? == (5, 0)).then_some(()))).await?;

        shop.stack.temporal.stop().await?;
        let (status, problem) = restock(shop, &product.id, &json!({ "quantity": 1 }), None).await?;
        ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "{status} {problem}");
        shop.stack.temporal.start().await?;
        shop.audit_is_clean().await
    });
}
