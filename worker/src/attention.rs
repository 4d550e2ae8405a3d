//! What staff should look at, and how orders move: read from Postgres every few seconds and written to one item of the read model, where
//! `GET /api/operations` and `GET /api/health` find it. Every worker finds, and writes, the same.
//!
//! A new kind of thing to look at is one more of the [`sources`].

use crate::{db, failing, system::System};
use deadpool_postgres::GenericClient;
use platform::read_model::{Attention, AttentionGroup, AttentionItem, Operations, ReadModel};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How often it is looked for.
const PERIOD: Duration = Duration::from_secs(3);
/// How long Postgres may take to answer.
const LIMIT: Duration = Duration::from_secs(5);
/// Of each kind, how many are shown, and how many are counted.
const SHOWN: i64 = 10;
const COUNTED: i64 = 1_000;
/// Bytes of a text, so that the item stays far below what DynamoDB takes.
const TEXT_BYTES: usize = 300;

/// A kind of thing to look at.
struct Source {
    kind: &'static str,
    /// SQL that answers (id, detail, since): texts and a `timestamptz`. It must be cheap, and find its rows by an index; it gets a LIMIT.
    query: String,
}

fn sources(system: &System) -> Vec<Source> {
    let failing = failing::LOOPS.iter().map(|name| Source {
        kind: name,
        query: format!(
            "SELECT row_id AS id, format('failed %s times: %s', attempts, error) AS detail, since FROM failing_rows WHERE loop = '{name}'"
        ),
    });
    let stuck = Source { kind: "STUCK_ORDERS", query: system.stuck_orders() };
    let notices = Source {
        kind: "NOTICES",
        query: "SELECT order_id AS id, format('%s by %s, %s: %s', type, channel, state, last_error) AS detail, updated_at AS since
            FROM notifications WHERE state IN ('FAILED', 'SUPPRESSED') AND updated_at > now() - interval '7 days'
            UNION ALL
            SELECT order_id, format('%s by %s, tried %s times: %s', type, channel, attempts, last_error), due_since
            FROM notifications WHERE state = 'PENDING' AND attempts > 5"
            .to_owned(),
    };
    // The one that looks at all open orders comes last.
    failing.chain([notices, stuck]).collect()
}

/// Writes for ever. What is slow to find out is asked more rarely, so that it takes no more than a tenth of the time; and it says nothing of Postgres.
pub(crate) async fn run(system: System, read_model: ReadModel) {
    let sources = sources(&system);
    let (mut attention, mut due) = (Attention::new(), Instant::now());
    loop {
        let read = timeout(LIMIT, read(&system)).await.unwrap_or_else(|_| Err(silent()));
        let mut operations = read.unwrap_or_else(|error| {
            tracing::warn!(error = format!("{error:#}"), "Postgres does not tell how orders move");
            Operations::default()
        });
        if operations.postgres_writable && Instant::now() >= due {
            let begun = Instant::now();
            match groups(&system, &sources, &attention).await {
                Ok(found) => attention = found,
                Err(error) => tracing::warn!(error = format!("{error:#}"), "what needs attention cannot be found out now"),
            }
            due = Instant::now() + begun.elapsed() * 9;
        }
        // While it is not found out anew, what was to be looked at still is.
        operations.attention.clone_from(&attention);
        if let Err(error) = read_model.put_operations(&operations, OffsetDateTime::now_utc()).await {
            tracing::warn!(%error, "how orders move cannot be written");
        }
        sleep(PERIOD).await;
    }
}

fn silent() -> anyhow::Error {
    anyhow::anyhow!("no answer within {} s", LIMIT.as_secs())
}

async fn read(system: &System) -> anyhow::Result<Operations> {
    let writable = system.is_writable().await?;
    let lags = system.lags().await?;
    let client = db::connection(&system.pool).await?;
    let failing_rows = failing::count(&client).await?.iter().map(|(_, count)| count).sum();
    Ok(Operations {
        postgres_writable: writable,
        projection_lag_seconds: lags.projection,
        outbox_lag_seconds: lags.events,
        failing_rows,
        attention: Attention::new(),
    })
}

/// What each source tells; of one that does not tell now, what it told last.
async fn groups(system: &System, sources: &[Source], last: &Attention) -> anyhow::Result<Attention> {
    let client = db::connection(&system.pool).await?;
    let deadline = Instant::now() + LIMIT;
    let mut attention = Attention::new();
    for source in sources {
        match timeout_at(deadline, group(&client, source)).await.unwrap_or_else(|_| Err(silent())) {
            Ok(found) => attention.extend(found),
            Err(error) => {
                tracing::warn!(kind = source.kind, error = format!("{error:#}"), "what needs attention cannot be found out now");
                attention.extend(last.iter().filter(|known| known.kind == source.kind).cloned());
            }
        }
    }
    Ok(attention)
}

/// All of one kind; `None` when there is nothing.
async fn group(client: &impl GenericClient, Source { kind, query }: &Source) -> anyhow::Result<Option<AttentionGroup>> {
    let query = format!("SELECT id, detail, since, count(*) OVER () FROM ({query} LIMIT {COUNTED}) s ORDER BY since, id LIMIT {SHOWN}");
    let query = client.prepare_cached(&query).await?;
    let rows = client.query(&query, &[]).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let count = u64::try_from(first.try_get::<_, i64>(3)?).unwrap_or_default();
    let items =
        rows.iter().map(|row| Ok(AttentionItem { id: within(row.try_get(0)?), detail: within(row.try_get(1)?), since: row.try_get(2)? }));
    Ok(Some(AttentionGroup { kind: (*kind).to_owned(), count, items: items.collect::<anyhow::Result<_>>()? }))
}

fn within(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES)].to_owned()
}
