//! Each order is compared with the catalogue twice: by the API with that of the read model, and
//! later by the worker with that of Postgres.

use super::statuses;
use crate::support::{Draft, Function, Product, Shop, answer, text, with_shared_stack};
use anyhow::{Context as _, Result, ensure};
use orders::{Currency, Money, ProductView};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Posts an order that must be refused. Returns the pointers of its errors.
async fn refused(shop: &Shop, draft: &Draft) -> Result<Vec<String>> {
    let (status, problem) = answer(shop.post("/api/orders", draft.body().to_string()).await?).await?;
    ensure!((status, &problem["type"]) == (StatusCode::UNPROCESSABLE_ENTITY, &json!("/problems/invalid-request")), "{status} {problem}");
    error_pointers(&problem)
}

fn error_pointers(problem: &Value) -> Result<Vec<String>> {
    let errors = problem["errors"].as_array().context("no errors")?;
    errors.iter().map(|error| Ok(text(error, "/pointer")?.to_owned())).collect()
}

async fn orders_of(shop: &Shop, customer: &str) -> Result<i64> {
    let count = "SELECT count(*) FROM orders WHERE customer_id = $1";
    Ok(shop.db().await?.query_one(count, &[&customer]).await?.get(0))
}

/// Changes a product's price, and projects the change at once.
async fn change_price(shop: &Shop, product: &Product, price_minor: i64) -> Result<()> {
    let change = "UPDATE products SET price_minor = $2 WHERE id = $1 RETURNING version";
    let version = shop.db().await?.query_one(change, &[&product.id, &price_minor]).await?.get(0);
    let (currency, product_id) = (Currency::USD, product.id.clone());
    let unit_price = Money { minor: price_minor, currency };
    let view = ProductView { name: product_id.clone(), product_id, unit_price, currency, in_stock: true };
    // The worker may have been faster.
    shop.read_model()?.put_product(&view, version).await?;
    Ok(())
}

#[test]
fn an_order_that_contradicts_the_catalogue_is_refused() {
    with_shared_stack(async |shop| {
        let (product, customer) = (shop.product(5_000, 10).await?, shop.unique("CUST-contradicted"));
        let draft = || Draft::new(&customer);
        assert_eq!(refused(shop, &draft().line_at(&product.id, 1, 4_999)).await?, ["/items/0/unitPrice"]);
        let lines = draft().line(&product, 1).line_at("NO-SUCH-PRODUCT", 1, 100).line_at(&product.id, 1, 1);
        assert_eq!(refused(shop, &lines).await?, ["/items/1/productID", "/items/2/unitPrice"]);
        assert_eq!(refused(shop, &draft().line(&product, 1).with("currency", "EUR")).await?, ["/currency"]);
        // A function that has just started has no cached catalogue.
        let mut function = Function::start(shop, "create-order").await?;
        let unknown = draft().line_at("NO-SUCH-PRODUCT", 1, 100).body().to_string();
        let (status, problem) = function.request("POST", "/api/orders", Some(&unknown)).await?;
        assert_eq!((status, error_pointers(&problem)?), (422, vec!["/items/0/productID".to_owned()]));

        let id = shop.place(&draft().line(&product, 1)).await?;
        shop.ends(&id, "COMPLETED").await?;
        assert_eq!((orders_of(shop, &customer).await?, shop.stock(&product).await?), (1, (9, 0)));
        let (_, list) = answer(shop.get(&format!("/api/orders?customerID={customer}")).await?).await?;
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
        Ok(())
    });
}

/// A cached price alone is no reason to refuse an order.
#[test]
fn a_price_is_read_again_before_an_order_is_refused() {
    with_shared_stack(async |shop| {
        let product = shop.product(5_000, 10).await?;
        shop.ends(&shop.place(&Draft::new("CUST-dearer").line(&product, 1)).await?, "COMPLETED").await?;
        for price_minor in [6_000, 4_000] {
            change_price(shop, &product, price_minor).await?;
            shop.ends(&shop.place(&Draft::new("CUST-dearer").line_at(&product.id, 1, price_minor)).await?, "COMPLETED").await?;
        }
        Ok(())
    });
}

/// A refused request does not use up its key. An accepted order is not validated again when its key
/// is repeated.
#[test]
fn a_key_is_used_up_by_accepted_requests_only() {
    with_shared_stack(async |shop| {
        let product = shop.product(5_000, 10).await?;
        let post = async |key: &str, draft: &Draft| {
            let post = shop.request(Method::POST, "/api/orders").header("Idempotency-Key", key).json(&draft.body());
            answer(post.send().await?).await
        };
        let (key, customer) = (shop.unique("corrected"), shop.unique("CUST-corrected"));
        let right = Draft::new(&customer).line(&product, 1);
        assert_eq!(post(&key, &Draft::new(&customer).line_at(&product.id, 1, 1)).await?.0, StatusCode::UNPROCESSABLE_ENTITY);
        let (status, accepted) = post(&key, &right).await?;
        assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
        let id = text(&accepted, "/id")?;
        shop.ends(id, "COMPLETED").await?;

        change_price(shop, &product, 7_000).await?;
        // A function that has just started has no cached prices, so it reads the new price.
        let mut function = Function::start(shop, "create-order").await?;
        let mut event = Function::event("POST", "/api/orders", Some(&right.body().to_string()));
        assert_eq!(function.answer(&event).await?.0, 422);
        event["headers"]["idempotency-key"] = key.as_str().into();
        let (status, replayed) = function.answer(&event).await?;
        assert_eq!((status, text(&replayed, "/id")?), (202, id));
        assert_eq!(orders_of(shop, &customer).await?, 1);
        Ok(())
    });
}

/// An error that only the worker detects fails the order.
#[test]
fn an_error_found_by_the_worker_fails_the_order_with_a_reason() {
    with_shared_stack(async |shop| {
        let product = shop.product(5_000, 10).await?;
        let id = shop.enqueue(&Draft::new("CUST-price").line_at(&product.id, 1, 4_999)).await?;
        let order = shop.ends(&id, "FAILED").await?;
        let reason = text(&order, "/failureReason")?;
        ensure!(reason.contains("50.00") && reason.contains("49.99"), "{reason}");
        assert_eq!((shop.stock(&product).await?, &order["payment"]), ((10, 0), &Value::Null));

        let id = shop.enqueue(&Draft::new("CUST-unknown").line(&product, 1).line_at("NO-SUCH-PRODUCT", 1, 100)).await?;
        let order = shop.ends(&id, "FAILED").await?;
        assert_eq!(text(&order, "/failureReason")?, "there is no product NO-SUCH-PRODUCT");
        assert_eq!(statuses(&order), ["PENDING", "FAILED"]);
        assert_eq!(shop.stock(&product).await?, (10, 0));

        let id = shop.enqueue(&Draft::new("CUST-currency").line(&product, 1).with("currency", "EUR")).await?;
        let order = shop.ends(&id, "FAILED").await?;
        assert_eq!(text(&order, "/failureReason")?, format!("{} is priced in USD", product.id));
        shop.audit_is_clean().await
    });
}
