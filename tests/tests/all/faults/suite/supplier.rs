//! A supplier who restocks products all the time, during faults, too. Each delivery must count
//! once, even if the request was repeated.

use super::{catalog::Catalog, context::FaultContext};
use crate::support::answer;
use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// The time between two deliveries, and between two attempts at one delivery.
const PAUSE: Duration = Duration::from_millis(300);
/// How long the supplier waits for an answer, and how long for the end of one delivery. The latter
/// is longer than any fault lasts.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
const TIMEOUT: Duration = Duration::from_secs(180);

/// Restocks for ever, one delivery after another. No delivery begins while another task holds the
/// record of deliveries.
pub(super) async fn supply(context: &FaultContext<'_>, catalog: &Catalog, seed: u64) -> Result<Infallible> {
    let (mut rng, mut number) = (fastrand::Rng::with_seed(seed), 0);
    loop {
        sleep(PAUSE).await;
        number += 1;
        let mut restocks = context.record.restocks().await;
        let (product, units) = (catalog.any_plentiful(&mut rng), rng.i64(1..=9));
        deliver(context, &catalog.product(product).id, units, &format!("delivery-{number}")).await?;
        *restocks.entry(product).or_default() += units;
    }
}

/// Posts with one key until the API answers that the units are in stock.
async fn deliver(context: &FaultContext<'_>, product: &str, units: i64, key: &str) -> Result<()> {
    let (began, path) = (Instant::now(), format!("/api/products/{product}/restock"));
    let mut id = Value::Null;
    loop {
        let post = context.shop.request(Method::POST, &path).timeout(ANSWER_TIMEOUT).header("Idempotency-Key", key);
        let answered = match post.json(&json!({ "quantity": units })).send().await {
            Ok(response) => answer(response).await.ok(),
            Err(_) => None,
        };
        match answered {
            Some((status @ (StatusCode::OK | StatusCode::ACCEPTED), taken)) => {
                if !id.is_null() && taken["id"] != id {
                    context.record.breach(format!("{key} of {product} is {id}, and is {}", taken["id"]));
                }
                id = taken["id"].clone();
                if status == StatusCode::OK {
                    return Ok(());
                }
            }
            Some((status, problem)) if status.is_client_error() => {
                context.record.breach(format!("{key} of {product} was answered {status}: {problem}"));
            }
            _ => {}
        }
        ensure!(began.elapsed() < TIMEOUT, "{key} of {product} was not there for {} s", TIMEOUT.as_secs());
        sleep(PAUSE).await;
    }
}
