//! The projector: writes orders and products from Postgres to the read model in DynamoDB.
//!
//! An activity does not wait for its projection; it only reports that its order changed. The
//! projector gathers such reports for a moment, and for longer if the order's next step follows at
//! once. So an order whose steps follow each other quickly is projected once. The projector reads
//! the orders as they are now, and writes each on the condition that it is newer than the stored
//! one. Then it records the written version in `projected_version`.
//!
//! If a process dies or AWS is away, `projected_version` stays behind `version`. A sweep finds such
//! rows. So no change is lost, and the whole read model can be built again from Postgres alone.
//!
//! A row that cannot be read, or that DynamoDB will never accept, affects no other row. It is
//! recorded as a failing row ([`failing`]), the others are projected, and the sweep retries it with
//! growing pauses.

mod view;

use crate::{
    db,
    ops::failing::{self, Failure, PROJECTION_ORDERS, PROJECTION_PRODUCTS},
    sql::projection as sql,
};
use deadpool_postgres::Pool;
use futures::{StreamExt, stream};
use opentelemetry::trace::SpanKind;
use orders::{OrderId, OrderView};
use platform::{
    read_model::{self, ReadModel},
    trace::{self, OrderTrace},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use view::load_lagging_products;
pub(crate) use view::{Loaded, load_orders, load_products};

/// How long reports are gathered before their orders are projected. The pause is short while single
/// orders change and longer while many do, because reading ten orders costs little more than
/// reading one.
const GATHER_PAUSE: Duration = Duration::from_millis(25);
const LONG_GATHER_PAUSE: Duration = Duration::from_millis(150);
/// The longest delay for an order whose next step follows at once. An earlier projection would cost
/// a write for a state that lasts only a moment. Besides, the next step would wait for the row's
/// lock while `projected_version` is recorded.
const MAX_DELAY: Duration = Duration::from_millis(250);
/// The pause between two sweeps for rows that lag behind.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How many orders are projected in one batch, and how many of them are written in parallel.
const BATCH: usize = 100;
const MAX_CONCURRENT_WRITES: usize = 16;

/// The projector. Its clones share the reports of changed orders, so activities use it as a handle.
#[derive(Clone)]
pub(crate) struct Projector {
    pool: Pool,
    read_model: ReadModel,
    reported: Arc<Mutex<ReportedOrders>>,
    woken: Arc<Notify>,
}

/// The orders that were reported as changed.
#[derive(Default)]
struct ReportedOrders {
    /// The orders that have ended, or that wait for the customer, the shop or the carrier.
    settled: HashSet<OrderId>,
    /// The orders whose next step follows at once, and when each was first reported.
    in_progress: HashMap<OrderId, Instant>,
}

impl ReportedOrders {
    /// Removes and returns the orders to project now: all settled ones, and those that have been
    /// in progress for at least `max_delay`.
    fn drain_due(&mut self, max_delay: Duration) -> Vec<OrderId> {
        let now = Instant::now();
        let late = self.in_progress.extract_if(|_, since| now.duration_since(*since) >= max_delay).map(|(id, _)| id);
        self.settled.drain().chain(late).collect()
    }
}

impl Projector {
    pub(crate) fn new(pool: Pool, read_model: ReadModel) -> Self {
        Self { pool, read_model, reported: Arc::default(), woken: Arc::default() }
    }

    pub(crate) fn read_model(&self) -> &ReadModel {
        &self.read_model
    }

    /// Reports that an order changed. `settled` is true if the order has ended, or if it waits for
    /// the customer, the shop or the carrier.
    pub(crate) fn report_change(&self, id: OrderId, settled: bool) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if settled {
            reported.in_progress.remove(&id);
            reported.settled.insert(id);
            if reported.settled.len() == 1 {
                self.woken.notify_one();
            }
        } else if !reported.settled.contains(&id) {
            reported.in_progress.entry(id).or_insert_with(Instant::now);
        }
    }

    /// Projects for ever.
    pub(crate) async fn run(self) {
        let sweep = async {
            loop {
                tokio::time::sleep(SWEEP_INTERVAL).await;
                if let Err(error) = self.sweep().await {
                    tracing::warn!(error = format!("{error:#}"), "the read model is behind and cannot be brought up to date now");
                    tokio::time::sleep(SWEEP_INTERVAL).await;
                }
            }
        };
        let follow = async {
            let mut gather = GATHER_PAUSE;
            loop {
                // The timeout is for orders that are in progress: they wake nobody.
                let _ = tokio::time::timeout(MAX_DELAY / 2, self.woken.notified()).await;
                tokio::time::sleep(gather).await;
                gather = if self.project_reported(MAX_DELAY).await > 1 { LONG_GATHER_PAUSE } else { GATHER_PAUSE };
            }
        };
        tokio::join!(sweep, follow);
    }

    /// Projects all orders that were reported so far.
    pub(crate) async fn flush(&self) {
        self.project_reported(Duration::ZERO).await;
    }

    /// Projects the reported orders that are settled or have been in progress for at least
    /// `max_delay`. Returns their number.
    async fn project_reported(&self, max_delay: Duration) -> usize {
        let due = self.reported.lock().unwrap_or_else(PoisonError::into_inner).drain_due(max_delay);
        let due: Vec<String> = due.into_iter().map(String::from).collect();
        for ids in due.chunks(BATCH) {
            if let Err(error) = self.project_orders(ids).await {
                tracing::warn!(orders = ids.len(), error = format!("{error:#}"), "orders could not be projected; the sweep retries them");
            }
        }
        due.len()
    }

    /// Projects the rows that have lagged behind for at least [`SWEEP_INTERVAL`]. Newer changes are
    /// projected because activities report them.
    async fn sweep(&self) -> anyhow::Result<()> {
        self.sweep_older_than(SWEEP_INTERVAL).await
    }

    /// Projects all rows that lag behind.
    pub(crate) async fn sweep_all(&self) -> anyhow::Result<()> {
        self.sweep_older_than(Duration::ZERO).await
    }

    /// Projects the orders that have lagged behind for at least `age`, projects all products that
    /// lag behind, and removes deleted products. If one part fails, the others are still done.
    async fn sweep_older_than(&self, age: Duration) -> anyhow::Result<()> {
        let (orders, products, deleted) =
            (self.sweep_orders(age).await, self.project_products().await, self.remove_deleted_products().await);
        self.clear_projected_failures().await?;
        orders.and(products).and(deleted)
    }

    async fn sweep_orders(&self, age: Duration) -> anyhow::Result<()> {
        loop {
            let client = db::connection(&self.pool).await?;
            let lagging = sql::lagging_orders(&client, i64::try_from(BATCH)?, i64::try_from(age.as_millis())?).await?;
            drop(client);
            let ids: Vec<String> = lagging.into_iter().map(|order| order.id).collect();
            // Each of these orders is now projected, or becomes a failing row that is not due. So
            // the next round finds other orders.
            self.project_orders(&ids).await?;
            if ids.len() < BATCH {
                return Ok(());
            }
        }
    }

    /// Projects these orders. Those that fail by themselves are recorded as failing rows.
    ///
    /// # Errors
    /// Fails if Postgres or DynamoDB is away. Some orders may have been projected nevertheless.
    async fn project_orders(&self, ids: &[String]) -> anyhow::Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let client = db::connection(&self.pool).await?;
        let loaded = load_orders(&client, ids).await?;
        drop(client);
        let mut results = ProjectionResults::default();
        let orders = results.keep_readable(loaded);
        let writes: Vec<_> = orders.iter().map(|(order, trace)| self.write_order(order, trace)).collect();
        let written: Vec<_> = stream::iter(writes).buffered(MAX_CONCURRENT_WRITES).collect().await;
        for ((order, _), written) in orders.iter().zip(written) {
            results.add_written(order.id.to_string(), order.version, written.map(|_| ()));
        }
        self.record_results(PROJECTION_ORDERS, results).await
    }

    async fn write_order(&self, order: &OrderView, trace: &OrderTrace) -> Result<bool, read_model::Error> {
        let span = trace::order_span(SpanKind::Internal, "project order", None, order.id, trace);
        trace::run(span, self.read_model.put_order(order, trace), |_| Some("read model")).await
    }

    /// Records which rows were projected and which failed.
    ///
    /// # Errors
    /// Fails if Postgres does not accept the record, or DynamoDB was away.
    async fn record_results(&self, loop_name: &str, results: ProjectionResults) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        match (results.ids.is_empty(), loop_name) {
            (true, _) => 0,
            (false, PROJECTION_ORDERS) => sql::record_projected_orders(&client, &results.ids, &results.versions).await?,
            (false, _) => sql::record_projected_products(&client, &results.ids, &results.versions).await?,
        };
        failing::record_failures(&client, loop_name, &results.failures).await?;
        results.outage.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn project_products(&self) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let loaded = load_lagging_products(&client).await?;
        drop(client);
        if loaded.is_empty() {
            return Ok(());
        }
        let mut results = ProjectionResults::default();
        for (product, version) in results.keep_readable(loaded) {
            let written = self.read_model.put_product(&product, version).await;
            results.add_written(product.product_id, version, written.map(|_| ()));
            if results.outage.is_some() {
                break;
            }
        }
        self.record_results(PROJECTION_PRODUCTS, results).await
    }

    /// Removes deleted products from the read model. Each is removed twice, because a projection
    /// that was already running may put it back once.
    async fn remove_deleted_products(&self) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let deleted = sql::deleted_products(&client, i64::try_from(BATCH)?).await?;
        drop(client);
        for sql::DeletedProduct { id, version } in deleted {
            self.read_model.remove_product(&id, Some(version)).await?;
            let client = db::connection(&self.pool).await?;
            if sql::record_first_removal(&client, &id, version).await? == 0 {
                sql::delete_removed_product(&client, &id, version).await?;
            }
            tracing::info!(product_id = id, "{id} was deleted and removed from the read model");
        }
        Ok(())
    }

    /// Clears the failures of rows that any worker has projected meanwhile.
    async fn clear_projected_failures(&self) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        sql::clear_projected_failures(&client, PROJECTION_ORDERS, PROJECTION_PRODUCTS).await?;
        Ok(())
    }
}

/// The results of projecting some rows.
#[derive(Default)]
struct ProjectionResults {
    ids: Vec<String>,
    versions: Vec<i64>,
    failures: Vec<Failure>,
    /// The first error that is not a row's own fault.
    outage: Option<read_model::Error>,
}

impl ProjectionResults {
    /// Returns the rows that could be read from Postgres, and adds the others to the failures.
    fn keep_readable<T>(&mut self, loaded: Vec<Loaded<T>>) -> Vec<T> {
        let mut readable = Vec::with_capacity(loaded.len());
        for Loaded { id, view } in loaded {
            match view {
                Ok(view) => readable.push(view),
                Err(error) => self.failures.push(Failure::new(id, &error)),
            }
        }
        readable
    }

    fn add_written(&mut self, id: String, version: i64, written: Result<(), read_model::Error>) {
        match written {
            Ok(()) => {
                self.ids.push(id);
                self.versions.push(version);
            }
            Err(error) if error.is_of_item() => self.failures.push(Failure::new(id, &error.into())),
            Err(error) => {
                self.outage.get_or_insert(error);
            }
        }
    }
}
