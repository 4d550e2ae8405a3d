//! What staff should look at, and how orders move: read from Postgres every few seconds and written to one item of the read model, where
//! `GET /api/operations` and `GET /api/health` find it. Every worker finds, and writes, the same.
//!
//! A new kind of thing to look at is one more of the [`sources`].

use crate::{db, failing, system::System};
use deadpool_postgres::GenericClient;
use platform::read_model::{Attention, AttentionGroup, AttentionItem, Operations, ReadModel};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};

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
    failing.chain([stuck, notices]).collect()
}

/// Writes for ever.
pub(crate) async fn run(system: System, read_model: ReadModel) {
    let sources = sources(&system);
    let mut attention = Attention::new();
    loop {
        let read = timeout(LIMIT, read(&system, &sources)).await;
        let operations = match read.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", LIMIT.as_secs()))) {
            Ok(operations) => {
                attention.clone_from(&operations.attention);
                operations
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "Postgres does not tell how orders move");
                // What was to be looked at still is.
                Operations { postgres_writable: false, attention: attention.clone(), ..Operations::default() }
            }
        };
        if let Err(error) = read_model.put_operations(&operations, OffsetDateTime::now_utc()).await {
            tracing::warn!(%error, "how orders move cannot be written");
        }
        sleep(PERIOD).await;
    }
}

async fn read(system: &System, sources: &[Source]) -> anyhow::Result<Operations> {
    let writable = system.is_writable().await?;
    let lags = system.lags().await?;
    let client = db::connection(&system.pool).await?;
    let failing_rows = failing::count(&client).await?.iter().map(|(_, count)| count).sum();
    let mut attention = Attention::new();
    for source in sources {
        attention.extend(group(&client, source).await?);
    }
    Ok(Operations {
        postgres_writable: writable,
        projection_lag_seconds: lags.projection,
        outbox_lag_seconds: lags.events,
        failing_rows,
        attention,
    })
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
