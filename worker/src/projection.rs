//! Keeps the read model: projects orders and products from Postgres to DynamoDB.
//!
//! An activity does not wait for its projection, it only names the order that changed. The projector gathers names for a moment, and those of orders
//! that are about to change again for a longer one, so that an order that runs through in one go is projected once. It reads those orders as they
//! are now, and writes each on the condition that it is newer than what is there. What it wrote it notes in `projected_version`; a row where that
//! lags behind `version`, because a process died or AWS was away, is found by a sweep. So nothing is ever missing for good, and the whole read
//! model can be made anew from Postgres alone.

mod view;

use crate::db;
use deadpool_postgres::Pool;
use futures::{StreamExt, stream};
use orders::{OrderId, OrderView};
use platform::read_model::ReadModel;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;
pub(crate) use view::{load_orders, load_products};

/// How long names are gathered before they are projected: a lone order soon, many of them together, since to read ten costs little more than one.
const GATHER: Duration = Duration::from_millis(25);
const GATHER_MANY: Duration = Duration::from_millis(150);
/// How long an order that is between two steps may lag behind. Projected then, it costs a write for a moment's truth, and its next step waits for
/// the row while `projected_version` is noted.
const LAG: Duration = Duration::from_millis(250);
/// How often rows that lag behind are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// Orders projected at once, and written side by side.
const BATCH: usize = 100;
const WRITES_AT_ONCE: usize = 16;

/// The handle by which activities name the orders that changed.
#[derive(Clone)]
pub(crate) struct Projector {
    pool: Pool,
    read_model: ReadModel,
    changed: Arc<Mutex<Changed>>,
    woken: Arc<Notify>,
}

/// The orders that have been named.
#[derive(Default)]
struct Changed {
    /// Those that stay as they are for now.
    settled: HashSet<OrderId>,
    /// Those whose next step follows, and when each was named first.
    moving: HashMap<OrderId, Instant>,
}

impl Changed {
    /// Takes what is to be projected now: all that is settled, and what has been moving for so long.
    fn take(&mut self, lag: Duration) -> Vec<OrderId> {
        let now = Instant::now();
        let late = self.moving.extract_if(|_, since| now.duration_since(*since) >= lag).map(|(id, _)| id);
        self.settled.drain().chain(late).collect()
    }
}

impl Projector {
    pub(crate) fn new(pool: Pool, read_model: ReadModel) -> Self {
        Self { pool, read_model, changed: Arc::default(), woken: Arc::default() }
    }

    /// Notes that an order changed, and whether it stays like this until something happens from outside.
    pub(crate) fn changed(&self, id: OrderId, settled: bool) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if settled {
            changed.moving.remove(&id);
            changed.settled.insert(id);
            if changed.settled.len() == 1 {
                self.woken.notify_one();
            }
        } else if !changed.settled.contains(&id) {
            changed.moving.entry(id).or_insert_with(Instant::now);
        }
    }

    /// Projects for ever.
    pub(crate) async fn run(self) {
        let sweep = async {
            loop {
                tokio::time::sleep(SWEEP).await;
                if let Err(error) = self.sweep().await {
                    tracing::warn!(error = format!("{error:#}"), "the read model is behind and cannot be brought up to date now");
                    tokio::time::sleep(SWEEP).await;
                }
            }
        };
        let follow = async {
            let mut gather = GATHER;
            loop {
                // Without being woken: for those that are moving.
                let _ = tokio::time::timeout(LAG / 2, self.woken.notified()).await;
                tokio::time::sleep(gather).await;
                gather = if self.project_named(LAG).await > 1 { GATHER_MANY } else { GATHER };
            }
        };
        tokio::join!(sweep, follow);
    }

    /// Projects all that has been named so far.
    pub(crate) async fn flush(&self) {
        self.project_named(Duration::ZERO).await;
    }

    /// Answers how many orders that were.
    async fn project_named(&self, lag: Duration) -> usize {
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner).take(lag);
        let changed: Vec<String> = changed.into_iter().map(String::from).collect();
        for ids in changed.chunks(BATCH) {
            if let Err(error) = self.project_orders(ids).await {
                tracing::warn!(orders = ids.len(), error = format!("{error:#}"), "orders could not be projected; the sweep will do it");
            }
        }
        changed.len()
    }

    /// Projects what has lagged behind for a moment: orders that change now are projected anyway.
    async fn sweep(&self) -> anyhow::Result<()> {
        self.sweep_older_than(SWEEP).await
    }

    /// Projects all that lags behind.
    pub(crate) async fn sweep_all(&self) -> anyhow::Result<()> {
        self.sweep_older_than(Duration::ZERO).await
    }

    async fn sweep_older_than(&self, age: Duration) -> anyhow::Result<()> {
        loop {
            let client = db::connection(&self.pool).await?;
            let lagging = client
                .prepare_cached(
                    "SELECT id FROM orders WHERE projected_version < version AND updated_at <= now() - $2::bigint * interval '1 millisecond'
                    ORDER BY updated_at LIMIT $1",
                )
                .await?;
            let rows = client.query(&lagging, &[&i64::try_from(BATCH)?, &i64::try_from(age.as_millis())?]).await?;
            drop(client);
            let ids: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
            self.project_orders(&ids).await?;
            if ids.len() < BATCH {
                break;
            }
        }
        self.project_products().await
    }

    async fn project_orders(&self, ids: &[String]) -> anyhow::Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let client = db::connection(&self.pool).await?;
        let orders = load_orders(&client, ids).await?;
        drop(client);
        let writes: Vec<_> = orders.iter().map(|order| self.read_model.put_order(order)).collect();
        let written: Vec<_> = stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).collect().await;
        written.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.note_orders(&orders).await
    }

    async fn note_orders(&self, orders: &[OrderView]) -> anyhow::Result<()> {
        let ids: Vec<String> = orders.iter().map(|order| order.id.to_string()).collect();
        let versions: Vec<i64> = orders.iter().map(|order| order.version).collect();
        let client = db::connection(&self.pool).await?;
        let note = client
            .prepare_cached(
                "UPDATE orders SET projected_version = p.version FROM unnest($1::text[], $2::bigint[]) AS p (id, version)
                WHERE orders.id = p.id AND orders.projected_version < p.version",
            )
            .await?;
        client.execute(&note, &[&ids, &versions]).await?;
        Ok(())
    }

    async fn project_products(&self) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let products = load_products(&client, true).await?;
        for (product, version) in &products {
            self.read_model.put_product(product, *version).await?;
            let note = client.prepare_cached("UPDATE products SET projected_version = $2 WHERE id = $1 AND projected_version < $2").await?;
            client.execute(&note, &[&product.product_id, version]).await?;
        }
        Ok(())
    }
}
