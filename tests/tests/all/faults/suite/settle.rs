//! Waiting until the system has come to rest.

use super::site::Site;
use crate::support::until_ok;
use anyhow::{Context as _, Result, ensure};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::sleep;

/// Between two looks, so that looking slows nothing down.
const PAUSE: Duration = Duration::from_millis(150);

impl Site<'_> {
    /// Every order acknowledged so far has ended, and readers see it.
    pub(super) async fn acknowledged_orders_end(&self, limit: Duration) -> Result<()> {
        let mut open: BTreeSet<String> = self.record.acknowledged().iter().cloned().collect();
        let query = "SELECT id FROM orders WHERE id = ANY ($1) AND projected_version >= version
            AND status IN ('COMPLETED', 'FAILED', 'CANCELLED')";
        let ended = self
            .look("every acknowledged order has ended", limit, async || {
                let ids: Vec<&String> = open.iter().collect();
                for row in self.shop.db().await?.query(query, &[&ids]).await? {
                    open.remove(row.get::<_, &str>(0));
                }
                ensure!(open.is_empty(), "{} are open", open.len());
                Ok(())
            })
            .await;
        match open.first() {
            Some(id) => ended.with_context(|| self.shop.story(id, &"open")),
            None => ended,
        }
    }

    /// No order is open, nothing is on its way to the readers, the intake queue is empty.
    pub(super) async fn settles(&self, limit: Duration) -> Result<()> {
        self.acknowledged_orders_end(limit).await?;
        let query = "SELECT
            (SELECT count(*) FROM orders WHERE status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')),
            (SELECT count(*) FROM orders WHERE projected_version < version),
            (SELECT count(*) FROM products WHERE projected_version < version)";
        self.look("the system has settled", limit, async || {
            let row = self.shop.db().await?.query_one(query, &[]).await?;
            let (open, orders, products): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
            let waiting = self.queue.waiting().await?;
            ensure!(
                open == 0 && orders == 0 && products == 0 && waiting == 0,
                "{open} orders are open, {waiting} messages wait, {orders} orders and {products} products are not projected"
            );
            Ok(())
        })
        .await
    }

    /// Starts what has ended without being asked to, as ECS does. To be called while no fault lasts.
    fn revive(&self) -> Result<()> {
        let stack = &self.shop.stack;
        for server in [&stack.workers[0], &stack.api] {
            if server.pid().is_none() {
                server.launch()?;
                self.record.revived(server.name());
            }
        }
        Ok(())
    }

    async fn look(&self, what: &str, limit: Duration, mut check: impl AsyncFnMut() -> Result<()>) -> Result<()> {
        until_ok(what, limit, async || {
            self.revive()?;
            let checked = check().await;
            if checked.is_err() {
                sleep(PAUSE).await;
            }
            checked
        })
        .await
    }
}
