//! Temporal is unreachable: orders are still accepted, and readers notice nothing.

use super::mixed_order;
use crate::support::{Draft, FAST, Load, Shop, answer, until, with_own_stack};
use anyhow::{Result, ensure};
use functions::workflows::MAX_CONCURRENT_STARTS;
use futures::{TryStreamExt as _, stream::FuturesUnordered};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The answer of `GET /api/health`: the HTTP status, the overall state, and the state of each
/// dependency.
pub(super) async fn health(shop: &Shop) -> Result<(StatusCode, Value, Vec<(String, String)>)> {
    let (status, body) = answer(shop.get("/api/health").await?).await?;
    let dependencies = body["dependencies"].as_array().into_iter().flatten().map(|dependency| {
        let text = |field: &str| dependency[field].as_str().unwrap_or_default().to_owned();
        (text("name"), text("state"))
    });
    Ok((status, body["status"].clone(), dependencies.collect()))
}

#[test]
fn orders_are_queued_while_temporal_is_stopped_and_then_complete() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let before = shop.place(&Draft::new("CUST-queued").line(&product, 1)).await?;
        shop.ends(&before, "COMPLETED").await?;
        shop.stack.temporal.stop().await?;

        let load = Load::default();
        let (status, body) =
            answer(shop.post("/api/orders", Draft::new("CUST-queued").line(&product, 1).body().to_string()).await?).await?;
        assert_eq!((status, &body["status"], &body["queued"]), (StatusCode::ACCEPTED, &json!("PENDING"), &json!(true)));
        let queued = body["id"].as_str().unwrap_or_default();
        load.place(shop, 30, 4, |n| mixed_order(&product, n)).await;
        assert_eq!(load.accepted().len(), 30);

        // A client that does not trust the answer repeats its request.
        let wary = Load::default();
        let draft = Draft::new("CUST-wary").line(&product, 1);
        wary.place_twice(shop, &draft).await?;

        assert_eq!(shop.order(&before).await?["status"], "COMPLETED");
        assert_eq!(shop.order(queued).await?["status"], "PENDING");
        let (_, list) = answer(shop.get("/api/orders?customerID=CUST-queued").await?).await?;
        assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
        let (status, body, dependencies) = health(shop).await?;
        assert_eq!((status, body), (StatusCode::OK, json!("degraded")));
        ensure!(dependencies.contains(&("temporal".to_owned(), "down".to_owned())), "{dependencies:?}");

        let refused = shop.post(&format!("/api/orders/{queued}/cancel"), "").await?;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        ensure!(refused.headers().contains_key(header::RETRY_AFTER));

        shop.stack.temporal.start().await?;
        shop.ends(queued, "COMPLETED").await?;
        load.ends(shop).await?;
        wary.ends(shop).await?;
        until("health is ok again", Duration::from_secs(15), async || Ok((health(shop).await?.1 == "ok").then_some(()))).await?;
        let (_, body) = answer(shop.post("/api/orders", Draft::new("CUST-queued").line(&product, 1).body().to_string()).await?).await?;
        ensure!(body["queued"].is_null(), "Temporal is back, but: {body}");
        shop.audit_is_clean().await
    });
}

/// When too many requests wait for Temporal, the next ones are queued at once. They are answered
/// before those that wait.
#[test]
fn orders_beyond_the_limit_of_waiting_requests_are_queued_at_once() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let draft = Draft::new("CUST-busy").line(&product, 1);
        shop.ends(&shop.place(&draft).await?, "COMPLETED").await?;
        let post = async || {
            let (status, body) = answer(shop.post("/api/orders", draft.body().to_string()).await?).await?;
            ensure!(status == StatusCode::ACCEPTED, "{status}: {body}");
            Ok((body["id"].as_str().unwrap_or_default().to_owned(), body["queued"] == true))
        };

        shop.stack.temporal.pause();
        let mut answers: FuturesUnordered<_> = (0..MAX_CONCURRENT_STARTS + 4).map(|_| post()).collect();
        let mut orders = Vec::new();
        for _ in 0..4 {
            orders.extend(answers.try_next().await?);
        }
        assert!(orders.iter().all(|(_, queued)| *queued), "{orders:?}");
        shop.stack.temporal.resume();
        while let Some((id, queued)) = answers.try_next().await? {
            ensure!(!queued, "{id} was not taken by Temporal");
            orders.push((id, queued));
        }
        for (id, _) in &orders {
            shop.ends(id, "COMPLETED").await?;
        }
        shop.audit_is_clean().await
    });
}

/// A frozen server is worse than a stopped one: connections stay open, but nothing answers.
#[test]
fn orders_are_accepted_within_seconds_while_temporal_is_frozen() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        shop.ends(&shop.place(&Draft::new("CUST-frozen").line(&product, 1)).await?, "COMPLETED").await?;
        shop.stack.temporal.pause();
        let started = Instant::now();
        let load = Load::default();
        load.place(shop, 40, 8, |n| mixed_order(&product, n)).await;
        let took = started.elapsed();
        assert_eq!(load.accepted().len(), 40);
        ensure!(took < Duration::from_secs(15), "40 orders took {took:?}: each waits for Temporal");
        shop.stack.temporal.resume();
        load.ends(shop).await?;
        shop.audit_is_clean().await
    });
}
