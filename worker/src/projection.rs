//! Keeps the read model: projects orders and products from Postgres to DynamoDB.
//!
//! An activity does not wait for its projection, it only names the order that changed. The projector gathers names for a moment, and those of orders
//! that are about to change again for a longer one, so that an order that runs through in one go is projected once. It reads those orders as they
//! are now, and writes each on the condition that it is newer than what is there. What it wrote it notes in `projected_version`; a row where that
//! lags behind `version`, because a process died or AWS was away, is found by a sweep. So nothing is ever missing for good, and the whole read
//! model can be made anew from Postgres alone.
//!
//! A row that cannot be read, or that DynamoDB will never take, concerns nobody but itself: it is recorded ([`failing`]), the others are projected,
//! and the sweep tries it again after pauses that grow.

mod view;

use crate::{
    db,
    failing::{self, Failure, PROJECTION_ORDERS, PROJECTION_PRODUCTS},
};
use deadpool_postgres::Pool;
use futures::{StreamExt, stream};
use orders::OrderId;
use platform::read_model::{self, ReadModel};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;
pub(crate) use view::{Loaded, load_orders, load_products};

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

    /// What it writes to.
    pub(crate) fn read_model(&self) -> &ReadModel {
        &self.read_model
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

    /// One part that cannot be done now does not keep the others from being done.
    async fn sweep_older_than(&self, age: Duration) -> anyhow::Result<()> {
        let (orders, products, deleted) =
            (self.sweep_orders(age).await, self.project_products().await, self.remove_deleted_products().await);
        self.clear_projected().await?;
        orders.and(products).and(deleted)
    }

    async fn sweep_orders(&self, age: Duration) -> anyhow::Result<()> {
        let lagging = format!(
            "SELECT id FROM orders WHERE projected_version < version AND updated_at <= now() - $2::bigint * interval '1 millisecond' AND {}
            ORDER BY updated_at LIMIT $1",
            failing::is_due(PROJECTION_ORDERS, "orders.id")
        );
        loop {
            let client = db::connection(&self.pool).await?;
            let lagging = client.prepare_cached(&lagging).await?;
            let rows = client.query(&lagging, &[&i64::try_from(BATCH)?, &i64::try_from(age.as_millis())?]).await?;
            drop(client);
            let ids: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
            // Each of them is projected by this, or fails and is not due for now: the next round finds others.
            self.project_orders(&ids).await?;
            if ids.len() < BATCH {
                return Ok(());
            }
        }
    }

    /// Projects all of these but those that fail by themselves, which are recorded.
    ///
    /// # Errors
    /// When Postgres or DynamoDB is away; some may have been projected all the same.
    async fn project_orders(&self, ids: &[String]) -> anyhow::Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let client = db::connection(&self.pool).await?;
        let loaded = load_orders(&client, ids).await?;
        drop(client);
        let mut done = Done::default();
        let orders = done.readable(loaded);
        let writes: Vec<_> = orders.iter().map(|order| self.read_model.put_order(order)).collect();
        let written: Vec<_> = stream::iter(writes).buffered(WRITES_AT_ONCE).collect().await;
        for (order, written) in orders.iter().zip(written) {
            done.written(order.id.to_string(), order.version, written.map(|_| ()));
        }
        self.note(PROJECTION_ORDERS, NOTE_ORDERS, done).await
    }

    /// Records what was projected and what failed.
    async fn note(&self, loop_name: &str, statement: &str, done: Done) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        if !done.ids.is_empty() {
            let note = client.prepare_cached(statement).await?;
            client.execute(&note, &[&done.ids, &done.versions]).await?;
        }
        failing::record(&client, loop_name, &done.failures).await?;
        done.away.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn project_products(&self) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let loaded = load_products(&client, true).await?;
        drop(client);
        if loaded.is_empty() {
            return Ok(());
        }
        let mut done = Done::default();
        for (product, version) in done.readable(loaded) {
            let written = self.read_model.put_product(&product, version).await;
            done.written(product.product_id, version, written.map(|_| ()));
            if done.away.is_some() {
                break;
            }
        }
        self.note(PROJECTION_PRODUCTS, NOTE_PRODUCTS, done).await
    }

    /// Removes products from the read model that Postgres has no more.
    async fn remove_deleted_products(&self) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let due = "SELECT id, version FROM deleted_products WHERE removals = 0 OR removed_at < now() - interval '10 s' ORDER BY deleted_at LIMIT $1";
        let due = client.prepare_cached(due).await?;
        let rows = client.query(&due, &[&i64::try_from(BATCH)?]).await?;
        drop(client);
        for row in rows {
            let (id, version): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            self.read_model.remove_product(&id, Some(version)).await?;
            let client = db::connection(&self.pool).await?;
            let once = "UPDATE deleted_products SET removals = 1, removed_at = now() WHERE id = $1 AND version = $2 AND removals = 0";
            let once = client.prepare_cached(once).await?;
            if client.execute(&once, &[&id, &version]).await? == 0 {
                let twice = client.prepare_cached("DELETE FROM deleted_products WHERE id = $1 AND version = $2").await?;
                client.execute(&twice, &[&id, &version]).await?;
            }
            tracing::info!(product_id = id, "{id} was deleted, and the read model has it no more");
        }
        Ok(())
    }

    /// What has been projected, by whoever, does not fail any more.
    async fn clear_projected(&self) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let clear = client
            .prepare_cached(
                "DELETE FROM failing_rows f WHERE (f.loop = $1 AND NOT EXISTS (
                    SELECT FROM orders o WHERE o.id = f.row_id AND o.projected_version < o.version
                )) OR (f.loop = $2 AND NOT EXISTS (
                    SELECT FROM products p WHERE p.id = f.row_id AND p.projected_version < p.version
                ))",
            )
            .await?;
        client.execute(&clear, &[&PROJECTION_ORDERS, &PROJECTION_PRODUCTS]).await?;
        Ok(())
    }
}

/// Ids and versions that were projected.
const NOTE_ORDERS: &str = "SELECT note_projected($1, $2)";
const NOTE_PRODUCTS: &str = "SELECT note_projected_products($1, $2)";

/// What came of some rows.
#[derive(Default)]
struct Done {
    ids: Vec<String>,
    versions: Vec<i64>,
    failures: Vec<Failure>,
    /// The first sign that it is not the rows' own fault.
    away: Option<read_model::Error>,
}

impl Done {
    /// What can be read of what was loaded; the rest has failed.
    fn readable<T>(&mut self, loaded: Vec<Loaded<T>>) -> Vec<T> {
        let mut readable = Vec::with_capacity(loaded.len());
        for Loaded { id, view } in loaded {
            match view {
                Ok(view) => readable.push(view),
                Err(error) => self.failures.push(Failure::new(id, &error)),
            }
        }
        readable
    }

    fn written(&mut self, id: String, version: i64, written: Result<(), read_model::Error>) {
        match written {
            Ok(()) => {
                self.ids.push(id);
                self.versions.push(version);
            }
            Err(error) if error.is_of_item() => self.failures.push(Failure::new(id, &error.into())),
            Err(error) => {
                self.away.get_or_insert(error);
            }
        }
    }
}
