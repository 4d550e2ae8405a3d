//! Waits until the system has settled.

use super::{checks::read_model, context::FaultContext};
use crate::support::until_ok;
use anyhow::{Context as _, Result, ensure};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// The time between two checks. It keeps the checks from slowing down the system.
const PAUSE: Duration = Duration::from_millis(150);
/// How long readers may see an old state after the last change.
const READ_MODEL_TIMEOUT: Duration = Duration::from_secs(5);

impl FaultContext<'_> {
    /// Waits until every acknowledged order has ended and readers see it.
    pub(super) async fn wait_for_acknowledged_orders(&self, limit: Duration) -> Result<()> {
        self.wait_for_orders(limit, "projected_version >= version").await
    }

    /// Waits until every acknowledged order has ended and fulfils this SQL condition.
    async fn wait_for_orders(&self, limit: Duration, condition: &str) -> Result<()> {
        let mut open: BTreeSet<String> = self.record.acknowledged().iter().cloned().collect();
        let query = format!("SELECT id FROM orders WHERE id = ANY ($1) AND {condition} AND status IN ('COMPLETED', 'FAILED', 'CANCELLED')");
        let ended = self
            .poll("every acknowledged order has ended", limit, async || {
                let ids: Vec<&String> = open.iter().collect();
                for row in self.shop.db().await?.query(&query, &[&ids]).await? {
                    open.remove(row.get::<_, &str>(0));
                }
                ensure!(open.is_empty(), "{} are open", open.len());
                Ok(())
            })
            .await;
        match open.first() {
            Some(id) => ended.with_context(|| self.shop.describe(id, &"open")),
            None => ended,
        }
    }

    /// Waits until the system is idle: no order, refund or delivery is open, the intake queue is
    /// empty, readers see what Postgres has, and subscribers have received all events. `since` is
    /// the number of orders that were acknowledged when the system last was idle.
    pub(super) async fn settle(&self, since: usize, limit: Duration) -> Result<()> {
        // This waits for Postgres only. The read model has its own limit, which starts afterwards.
        self.wait_for_orders(limit, "true").await?;
        let _no_delivery = self.record.restocks().await;
        let query = "SELECT (SELECT count(*) FROM orders WHERE status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')),
            (SELECT count(*) FROM refunds WHERE state = 'PENDING')";
        self.poll("the system has settled", limit, async || {
            let row = self.shop.db().await?.query_one(query, &[]).await?;
            let (open, refunds): (i64, i64) = (row.get(0), row.get(1));
            let waiting = self.queue.waiting().await?;
            ensure!(
                open == 0 && refunds == 0 && waiting == 0,
                "{open} orders are open, {refunds} refunds are on their way, {waiting} messages wait"
            );
            Ok(())
        })
        .await?;
        self.check_read_model(since).await?;
        self.wait_for_events(limit).await
    }

    /// Within [`READ_MODEL_TIMEOUT`], readers must see what Postgres has. Each order acknowledged
    /// since the last time is compared. For all others, the projected versions are compared.
    async fn check_read_model(&self, since: usize) -> Result<()> {
        let began = Instant::now();
        let query = "SELECT (SELECT count(*) FROM orders WHERE projected_version < version),
            (SELECT count(*) FROM products WHERE projected_version < version)";
        let caught_up = self
            .poll("readers see what there is", READ_MODEL_TIMEOUT, async || {
                let row = self.shop.db().await?.query_one(query, &[]).await?;
                let (orders, products): (i64, i64) = (row.get(0), row.get(1));
                ensure!(orders == 0 && products == 0, "{orders} orders and {products} products are not projected");
                Ok(())
            })
            .await;
        if let Err(error) = caught_up {
            self.record.breach(format!("{:.1} s after the last order had ended: {error:#}", began.elapsed().as_secs_f32()));
        }
        let ids: Vec<String> = self.record.acknowledged()[since..].to_vec();
        read_model::check(self, &ids).await
    }

    /// Waits until every change of status has been delivered as an event.
    async fn wait_for_events(&self, limit: Duration) -> Result<()> {
        self.poll("every event has been delivered", limit, async || {
            let row = self.shop.db().await?.query_one("SELECT count(*) FROM order_history", &[]).await?;
            let (received, _) = self.subscriber.count();
            let statuses = usize::try_from(row.get::<_, i64>(0))?;
            ensure!(received == statuses, "{statuses} changes of status, and {received} events");
            Ok(())
        })
        .await
    }

    /// Starts servers that ended by themselves, as ECS does. Must not be called during a fault.
    fn restart_ended_servers(&self) -> Result<()> {
        let stack = &self.shop.stack;
        for server in [&stack.workers[0], &stack.api] {
            if server.pid().is_none() {
                server.launch()?;
                self.record.record_restart(server.name());
            }
        }
        Ok(())
    }

    async fn poll(&self, what: &str, limit: Duration, mut check: impl AsyncFnMut() -> Result<()>) -> Result<()> {
        until_ok(what, limit, async || {
            self.restart_ended_servers()?;
            let checked = check().await;
            if checked.is_err() {
                sleep(PAUSE).await;
            }
            checked
        })
        .await
    }
}
