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
    sql::projection as sql,
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
use view::load_lagging_products;
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
        loop {
            let client = db::connection(&self.pool).await?;
            let lagging = sql::lagging_orders(&client, i64::try_from(BATCH)?, i64::try_from(age.as_millis())?).await?;
            drop(client);
            let ids: Vec<String> = lagging.into_iter().map(|order| order.id).collect();
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
        self.record_outcome(PROJECTION_ORDERS, done).await
    }

    /// Records what was projected and what failed.
    async fn record_outcome(&self, loop_name: &str, done: Done) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        match (done.ids.is_empty(), loop_name) {
            (true, _) => 0,
            (false, PROJECTION_ORDERS) => sql::note_projected_orders(&client, &done.ids, &done.versions).await?,
            (false, _) => sql::note_projected_products(&client, &done.ids, &done.versions).await?,
        };
        failing::record(&client, loop_name, &done.failures).await?;
        done.away.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn project_products(&self) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let loaded = load_lagging_products(&client).await?;
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
        self.record_outcome(PROJECTION_PRODUCTS, done).await
    }

    /// Removes products from the read model that Postgres has no more.
    async fn remove_deleted_products(&self) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let deleted = sql::deleted_products(&client, i64::try_from(BATCH)?).await?;
        drop(client);
        for sql::DeletedProduct { id, version } in deleted {
            self.read_model.remove_product(&id, Some(version)).await?;
            let client = db::connection(&self.pool).await?;
            if sql::record_first_removal(&client, &id, version).await? == 0 {
                sql::forget_deleted_product(&client, &id, version).await?;
            }
            tracing::info!(product_id = id, "{id} was deleted, and the read model has it no more");
        }
        Ok(())
    }

    /// What has been projected, by whoever, does not fail any more.
    async fn clear_projected(&self) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        sql::clear_projected_failures(&client, PROJECTION_ORDERS, PROJECTION_PRODUCTS).await?;
        Ok(())
    }
}

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
