//! The AWS emulator is stopped or restarts.

use super::{mixed_order, temporal::health};
use crate::support::{Draft, LOADED, Load, with_own_stack};
use anyhow::ensure;
use futures::future::try_join_all;
use reqwest::{StatusCode, header};
use serde_json::json;
use tokio::try_join;

#[test]
fn restarts_of_aws_lose_and_repeat_no_order() {
    with_own_stack(1, &LOADED, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let load = Load::default();
        let placing = async {
            for round in 0..15 {
                let drafts: Vec<Draft> = (0..10).map(|n| mixed_order(&product, 10 * round + n)).collect();
                try_join_all(drafts.iter().map(|draft| load.place_until_accepted(shop, draft))).await?;
            }
            anyhow::Ok(())
        };
        let restarting = async {
            for restart in 1..=2 {
                load.reaches(40 * restart).await?;
                shop.stack.emulator.restart().await?;
            }
            Ok(())
        };
        try_join!(placing, restarting)?;
        load.ends(shop).await?;
        let count: i64 = shop.db().await?.query_one("SELECT count(*) FROM orders", &[]).await?.get(0);
        assert_eq!(count, 150, "each client wanted one order");
        shop.audit_is_clean().await
    });
}

#[test]
fn orders_are_accepted_while_aws_is_stopped_and_shown_later() {
    with_own_stack(1, &LOADED, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        shop.stack.emulator.stop().await?;
        let (status, body, _) = health(shop).await?;
        assert_eq!((status, body), (StatusCode::SERVICE_UNAVAILABLE, json!("down")));
        assert_eq!(shop.get("/api/health/live").await?.status(), StatusCode::OK);
        let id = shop.place(&Draft::new("CUST-no-aws").line(&product, 1)).await?;
        for path in [format!("/api/orders/{id}"), "/api/orders?customerID=CUST-no-aws".to_owned(), "/api/products".to_owned()] {
            let away = shop.get(&path).await?;
            assert_eq!(away.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            ensure!(away.headers().contains_key(header::RETRY_AFTER));
        }
        shop.stack.emulator.start().await?;
        shop.ends(&id, "COMPLETED").await?;
        shop.audit_is_clean().await
    });
}

/// Neither Temporal nor the intake queue can take the order, so the API acknowledges nothing.
#[test]
fn an_order_without_temporal_and_queue_is_refused() {
    with_own_stack(0, &[], async |shop| {
        shop.stack.temporal.stop().await?;
        shop.stack.emulator.stop().await?;
        let refused = shop.post("/api/orders", Draft::new("CUST-nobody").line_at("PROD-010", 1, 2_995).body().to_string()).await?;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        ensure!(refused.headers().contains_key(header::RETRY_AFTER));
        Ok(())
    });
}
