//! `Idempotency-Key`: a repeated request makes one order.

use crate::support::{Draft, Shop, answer, text, with_shared_stack};
use anyhow::Result;
use futures::future::try_join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn post(shop: &Shop, key: &str, body: &Value) -> Result<(StatusCode, Value)> {
    answer(shop.request(Method::POST, "/api/orders").header("Idempotency-Key", key).json(body).send().await?).await
}

#[test]
fn fifty_posts_at_once_make_one_order() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 100).await?;
        let customer = shop.unique("CUST-idempotent");
        let (key, body) = (shop.unique("key"), Draft::new(&customer).line(&product, 1).body());
        let answers = try_join_all((0..50).map(|_| post(shop, &key, &body))).await?;
        assert!(answers.iter().all(|(status, _)| *status == StatusCode::ACCEPTED), "{answers:?}");
        let ids = answers.iter().map(|(_, body)| text(body, "/id")).collect::<Result<BTreeSet<_>>>()?;
        assert_eq!(ids.len(), 1, "{ids:?}");
        let id = ids.first().unwrap();
        shop.ends(id, "COMPLETED").await?;

        // The same holds for a repetition long after the order's end.
        assert_eq!(text(&post(shop, &key, &body).await?.1, "/id")?, *id);
        assert_eq!(shop.stock(&product).await?, (99, 0));
        let count = "SELECT count(*) FROM orders WHERE customer_id = $1";
        assert_eq!(shop.db().await?.query_one(count, &[&customer]).await?.get::<_, i64>(0), 1);
        shop.audit_is_clean().await
    });
}

#[test]
fn a_key_with_another_body_is_refused() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 100).await?;
        let (key, draft) = (shop.unique("key"), Draft::new("CUST-key"));
        let (status, first) = post(shop, &key, &draft.clone().line(&product, 1).body()).await?;
        assert_eq!(status, StatusCode::ACCEPTED);
        let (status, problem) = post(shop, &key, &draft.line(&product, 2).body()).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/problems/idempotency-key-reused")));
        shop.ends(text(&first, "/id")?, "COMPLETED").await?;
        assert_eq!(shop.stock(&product).await?, (99, 0));
        Ok(())
    });
}

#[test]
fn without_a_key_each_post_is_an_order() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 100).await?;
        let draft = Draft::new("CUST-no-key").line(&product, 1);
        let (one, other) = (shop.place(&draft).await?, shop.place(&draft).await?);
        assert_ne!(one, other);
        shop.ends(&one, "COMPLETED").await?;
        shop.ends(&other, "COMPLETED").await?;
        assert_eq!(shop.stock(&product).await?, (98, 0));
        Ok(())
    });
}

#[test]
fn an_invalid_key_is_named() {
    with_shared_stack(async |shop| {
        let body = Draft::new("CUST-bad-key").line_at("P", 1, 1).body();
        for key in ["two words".to_owned(), "k".repeat(256)] {
            let (status, problem) = post(shop, &key, &body).await?;
            assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("Idempotency-Key")), "{key}");
        }
        Ok(())
    });
}
