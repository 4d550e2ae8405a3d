//! The report on the state of operations: how orders progress, and what staff should look at. Each
//! worker reads it from Postgres every few seconds and writes it to one item of the read model.
//! `GET /api/operations` and `GET /api/health` read that item. All workers find the same state and
//! write the same item.
//!
//! To report a new kind of item, add a [`Source`].

use crate::{
    config, db,
    ops::failing,
    ops::system::{System, seconds},
    sql::Client,
    sql::attention as sql,
};
use platform::error::chain;
use platform::read_model::{Attention, AttentionGroup, AttentionItem, Operations, ReadModel};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// The pause between two reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(3);
/// The time limit for the answers of Postgres.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest text, in bytes. It keeps the item far below DynamoDB's limit.
const MAX_TEXT_BYTES: usize = 300;

/// A source of items that staff should look at.
#[derive(Clone, Copy)]
enum Source {
    /// The failing rows of the named loop.
    Failing(&'static str),
    Notices,
    StuckOrders,
}

impl Source {
    /// All sources. [`Self::StuckOrders`] comes last, because it reads all open orders and the
    /// sources share one time limit.
    fn all() -> impl Iterator<Item = Self> {
        failing::LOOPS.iter().copied().map(Self::Failing).chain([Self::Notices, Self::StuckOrders])
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Failing(loop_name) => loop_name,
            Self::Notices => "NOTICES",
            Self::StuckOrders => "STUCK_ORDERS",
        }
    }

    /// Reads the oldest items, each with the total number of items. The statements must be cheap,
    /// so they find their rows by an index and have a LIMIT.
    async fn read_items(self, client: &dyn Client, stuck: &config::StuckLimits) -> anyhow::Result<Vec<sql::Item>> {
        Ok(match self {
            Self::Failing(loop_name) => sql::failing_rows(client, loop_name).await?,
            Self::Notices => sql::notices(client).await?,
            Self::StuckOrders => sql::stuck_orders(client, seconds(stuck.stuck_after), seconds(stuck.parcel_silent_after)).await?,
        })
    }
}

/// Writes the report for ever. If the search for items is slow, it runs less often, so that it
/// takes at most a tenth of the time.
pub(crate) async fn run(system: System, read_model: ReadModel) {
    let mut reporter = Reporter::default();
    loop {
        reporter.report(&system, &read_model).await;
        sleep(REPORT_INTERVAL).await;
    }
}

/// Writes reports, one after the other.
#[derive(Default)]
pub(crate) struct Reporter {
    /// The items that the last search found.
    attention: Attention,
    /// When the next search is due; `None` before the first one.
    due: Option<Instant>,
}

impl Reporter {
    /// Writes the report once. A failed search does not mean that Postgres is away, so it does not
    /// change `postgres_writable`.
    pub(crate) async fn report(&mut self, system: &System, read_model: &ReadModel) {
        let read = timeout(READ_TIMEOUT, read_operations(system)).await.unwrap_or_else(|_| Err(timeout_error()));
        let mut operations = read.unwrap_or_else(|error| {
            tracing::warn!(error = format!("{error:#}"), "the operations report cannot be read from Postgres");
            Operations::default()
        });
        if operations.postgres_writable && self.due.is_none_or(|due| Instant::now() >= due) {
            let begun = Instant::now();
            match read_groups(system, &self.attention).await {
                Ok(found) => self.attention = found,
                Err(error) => tracing::warn!(error = format!("{error:#}"), "the things that need attention cannot be read now"),
            }
            self.due = Some(Instant::now() + begun.elapsed() * 9);
        }
        // Until the next search, report the items that the last search found.
        operations.attention.clone_from(&self.attention);
        if let Err(error) = read_model.put_operations(&operations, OffsetDateTime::now_utc()).await {
            tracing::warn!(error = chain(&error), "the operations report cannot be written");
        }
    }
}

fn timeout_error() -> anyhow::Error {
    anyhow::anyhow!("no answer within {} s", READ_TIMEOUT.as_secs())
}

async fn read_operations(system: &System) -> anyhow::Result<Operations> {
    let writable = system.is_writable().await?;
    let lags = system.read_lags().await?;
    let client = db::connection(&system.pool).await?;
    let failing_rows = failing::count_by_loop(&client).await?.iter().map(|(_, count)| count).sum();
    Ok(Operations {
        postgres_writable: writable,
        projection_lag_seconds: lags.projection,
        outbox_lag_seconds: lags.events,
        failing_rows,
        attention: Attention::new(),
    })
}

/// Reads what each source reports. If a source fails, its part of the last report stays.
async fn read_groups(system: &System, last: &Attention) -> anyhow::Result<Attention> {
    let client = db::connection(&system.pool).await?;
    let deadline = Instant::now() + READ_TIMEOUT;
    let mut attention = Attention::new();
    for source in Source::all() {
        match timeout_at(deadline, read_group(&client, source, &system.stuck_limits)).await.unwrap_or_else(|_| Err(timeout_error())) {
            Ok(found) => attention.extend(found),
            Err(error) => {
                tracing::warn!(kind = source.kind(), error = format!("{error:#}"), "the things that need attention cannot be read now");
                attention.extend(last.iter().filter(|known| known.kind == source.kind()).cloned());
            }
        }
    }
    Ok(attention)
}

/// Reads everything of one kind; `None` if there is nothing.
async fn read_group(client: &dyn Client, source: Source, stuck: &config::StuckLimits) -> anyhow::Result<Option<AttentionGroup>> {
    let items = source.read_items(client, stuck).await?;
    let Some(first) = items.first() else { return Ok(None) };
    let count = u64::try_from(first.total).unwrap_or_default();
    let items = items.iter().map(|item| AttentionItem { id: truncated(&item.id), detail: truncated(&item.detail), since: item.since });
    Ok(Some(AttentionGroup { kind: source.kind().to_owned(), count, items: items.collect() }))
}

fn truncated(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned()
}
