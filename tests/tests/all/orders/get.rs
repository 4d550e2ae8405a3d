//! `GET /api/orders/{id}`.

use crate::{
    shipping::product_in,
    support::{Draft, Shop, is_updated_last, until, with_shared_stack},
};
use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use reqwest::{Method, Response, StatusCode, header};
use serde_json::json;
use std::time::Duration;

async fn get_if_changed(shop: &Shop, id: &str, tag: &str) -> Result<Response> {
    Ok(shop.request(Method::GET, &format!("/api/orders/{id}")).header(header::IF_NONE_MATCH, tag).send().await?)
}

#[test]
fn a_client_that_polls_gets_a_body_only_when_something_has_changed() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-etag").line(&product, 1).payment_method("tok_down")).await?;
        shop.reaches(&id, &["RESERVED"]).await?;
        let first = shop.get(&format!("/api/orders/{id}")).await?;
        let tag = first.headers().get(header::ETAG).context("no ETag")?.to_str()?.to_owned();
        assert_eq!(first.headers().get(header::CACHE_CONTROL).context("no Cache-Control")?, "private, no-cache");

        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let unchanged = get_if_changed(shop, &id, &known).await?;
            assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(unchanged.headers().get(header::ETAG).context("no ETag")?, tag.as_str());
            ensure!(unchanged.bytes().await?.is_empty());
        }
        assert_eq!(get_if_changed(shop, &id, "\"x\"").await?.status(), StatusCode::OK);

        shop.ends(&id, "FAILED").await?;
        let changed = get_if_changed(shop, &id, &tag).await?;
        assert_eq!(changed.status(), StatusCode::OK);
        assert_ne!(changed.headers().get(header::ETAG).context("no ETag")?, tag.as_str());
        Ok(())
    });
}

/// Whenever an order is read, none of its times is after its `updatedAt`.
#[test]
fn no_time_is_after_the_last_update() {
    with_shared_stack(async |shop| {
        let (near, far) = (shop.product(1_000, 100).await?, product_in(shop, "SANDBOX-LOST", 250).await?);
        let contact = json!({ "email": "updated@example.com" });
        let drafts = (0..30).map(|n| match n % 3 {
            0 => Draft::new("CUST-updated").line(&near, 1).with("contact", contact.clone()),
            1 => Draft::new("CUST-updated").line(&near, 1).payment_method("tok_declined").with("contact", contact.clone()),
            _ => Draft::new("CUST-updated").line(&near, 1).line(&far, 1),
        });
        let drafts: Vec<Draft> = drafts.collect();
        shop.db().await?.execute("UPDATE products SET stock = 100 WHERE id = $1", &[&far.id]).await?;
        let ids = try_join_all(drafts.iter().map(|draft| shop.place(draft))).await?;
        try_join_all(ids.iter().map(async |id| {
            until(&format!("{id} has ended"), Duration::from_secs(40), async || {
                let order = shop.order(id).await?;
                ensure!(is_updated_last(&order), "{order}");
                Ok(["COMPLETED", "FAILED"].iter().any(|end| order["status"] == *end).then_some(()))
            })
            .await
        }))
        .await?;
        // It also holds in Postgres, where no view corrects it.
        let late = "SELECT count(*) FROM orders o WHERE o.id = ANY ($1) AND EXISTS (
            SELECT FROM order_history h WHERE h.order_id = o.id AND h.at > o.updated_at)";
        assert_eq!(shop.db().await?.query_one(late, &[&ids]).await?.get::<_, i64>(0), 0);
        Ok(())
    });
}

/// Statuses and versions only go forward, however often one reads.
#[test]
fn an_order_never_goes_back() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-forward").line(&product, 1).payment_method("tok_processing_error")).await?;
        let (mut version, mut changes) = (-1, 0);
        loop {
            let order = shop.order(&id).await?;
            let now = order["version"].as_i64().context("no version")?;
            let history = order["history"].as_array().context("no history")?.len();
            ensure!(now >= version && history >= changes, "it went back from version {version} to: {order:#}");
            (version, changes) = (now, history);
            if order["status"] == "COMPLETED" {
                let times: Vec<_> = order["history"].as_array().into_iter().flatten().filter_map(|change| change["at"].as_str()).collect();
                // All times have the same format, so their texts sort like the times.
                ensure!(times.iter().all(|time| time.len() == "2026-11-21T09:00:00.120Z".len() && time.ends_with('Z')), "{times:?}");
                ensure!(times.is_sorted(), "{times:?}");
                return Ok(());
            }
            ensure!(order["status"] != "FAILED", "{order:#}");
        }
    });
}
