//! Many orders, and what happens to them.

use super::{Draft, Shop, answer, until};
use anyhow::{Result, bail, ensure};
use futures::{StreamExt as _, stream};
use reqwest::{Method, StatusCode};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How long all orders may take to end after the last fault. This covers several timeouts of
/// Temporal in sequence.
const ALL_END: Duration = Duration::from_secs(90);
/// How long a client retries to place one order.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);
const CLIENT_PAUSE: Duration = Duration::from_millis(200);

/// Orders placed by clients, some of them during a fault.
#[derive(Default)]
pub(crate) struct Load {
    accepted: Mutex<Vec<String>>,
}

impl Load {
    /// Places `count` orders, `at_once` at the same time. Each client retries, because a busy machine
    /// may be too slow for Temporal and for the queue. An order that is never accepted is no error.
    pub(crate) async fn place(&self, shop: &Shop, count: usize, at_once: usize, draft: impl Fn(usize) -> Draft) {
        let drafts: Vec<Draft> = (0..count).map(draft).collect();
        let posts = drafts.iter().map(|draft| async {
            let _ = self.place_until_accepted(shop, draft).await;
        });
        stream::iter(posts).buffer_unordered(at_once).collect::<Vec<()>>().await;
    }

    /// Places one order.
    pub(crate) async fn place_one(&self, shop: &Shop, draft: &Draft) {
        self.record(shop.place(draft).await.ok());
    }

    /// Places an order with a key, and retries until it is accepted.
    pub(crate) async fn place_until_accepted(&self, shop: &Shop, draft: &Draft) -> Result<()> {
        self.place_with_key(shop, draft, &shop.unique("place")).await
    }

    /// Places an order twice with the same key, like a client that has lost the answer. Both
    /// answers must name one order.
    pub(crate) async fn place_twice(&self, shop: &Shop, draft: &Draft) -> Result<()> {
        let key = shop.unique("place-twice");
        self.place_with_key(shop, draft, &key).await?;
        self.place_with_key(shop, draft, &key).await?;
        let accepted = self.accepted();
        let [.., one, other] = &accepted[..] else { bail!("too few answers: {accepted:?}") };
        ensure!(one == other, "one key, two orders: {one} and {other}");
        Ok(())
    }

    async fn place_with_key(&self, shop: &Shop, draft: &Draft, key: &str) -> Result<()> {
        let deadline = Instant::now() + CLIENT_TIMEOUT;
        loop {
            let post = shop.request(Method::POST, "/api/orders").header("Idempotency-Key", key).json(&draft.body());
            let last = match post.send().await {
                Ok(response) => answer(response).await.map_or_else(
                    |error| error.to_string(),
                    |(status, body)| {
                        if status == StatusCode::ACCEPTED {
                            self.record(body["id"].as_str().map(ToOwned::to_owned));
                            return String::new();
                        }
                        format!("{status}: {body}")
                    },
                ),
                Err(error) => error.to_string(),
            };
            if last.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "not accepted within {} s; last: {last}", CLIENT_TIMEOUT.as_secs());
            sleep(CLIENT_PAUSE).await;
        }
    }

    /// The accepted orders.
    pub(crate) fn accepted(&self) -> Vec<String> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until this many orders are accepted.
    pub(crate) async fn reaches(&self, count: usize) -> Result<()> {
        until(&format!("{count} orders are accepted"), CLIENT_TIMEOUT, async || {
            Ok((self.accepted.lock().unwrap_or_else(PoisonError::into_inner).len() >= count).then_some(()))
        })
        .await
    }

    /// Waits until every accepted order has ended.
    pub(crate) async fn ends(&self, shop: &Shop) -> Result<()> {
        let ids = self.accepted();
        let db = shop.db().await?;
        let ended = "SELECT id FROM orders WHERE id = ANY ($1) AND status IN ('COMPLETED', 'FAILED', 'CANCELLED')";
        let mut open = ids.clone();
        let all = until("every accepted order has ended", ALL_END, async || {
            let ended: Vec<String> = db.query(ended, &[&ids]).await?.iter().map(|row| row.get(0)).collect();
            open.retain(|id| !ended.contains(id));
            Ok(open.is_empty().then_some(()))
        })
        .await;
        match open.first() {
            None => all,
            Some(id) => {
                let shown = shop.order(id).await.map_err(|error| error.to_string());
                all.map_err(|error| {
                    error.context(format!("{} of {} are open, such as {}", open.len(), ids.len(), shop.describe(id, &shown)))
                })
            }
        }
    }

    fn record(&self, id: Option<String>) {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).extend(id);
    }
}
