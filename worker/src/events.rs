//! Tells other systems of every status that an order gets: messages on an SNS FIFO topic, which queues subscribe to.
//!
//! At least once, and in order for each order: the history is the outbox, one worker at a time publishes from it, and never an order's event
//! before its earlier ones have been taken. Whoever reads them tells repetitions by their id.

use crate::{db, inventory::currency, reason};
use anyhow::{Context, ensure};
use aws_sdk_sns::types::PublishBatchRequestEntry;
use deadpool_postgres::{Pool, Transaction};
use orders::{Money, OrderId, OrderStatus};
use serde::Serialize;
use std::{borrow::Cow, sync::Arc, time::Duration};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_postgres::Row;

/// How often the outbox is looked at without being woken.
const SWEEP: Duration = Duration::from_secs(2);
/// How long events are gathered, so that a batch is worth its call.
const GATHER: Duration = Duration::from_millis(100);
/// Orders of which an event is published in one go.
const BATCH: i64 = 100;
/// Messages that SNS takes in one call.
const MESSAGES: usize = 10;
/// The advisory lock that the publishing worker holds; any number that nothing else uses.
const LOCK: i64 = 0x6f72_6465_7266_6c6f;

/// A message on the topic.
#[derive(Serialize)]
struct Event {
    /// The same whenever the event is published again.
    id: String,
    r#type: &'static str,
    /// Of this format; rises when a field changes its meaning or goes.
    version: u32,
    #[serde(with = "orders::rfc3339")]
    time: OffsetDateTime,
    data: Data,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(rename = "orderID")]
    order_id: OrderId,
    #[serde(rename = "customerID")]
    customer_id: String,
    status: OrderStatus,
    /// Rises with each event of an order, not by one.
    order_version: i64,
    total_amount: Money,
    currency: String,
    /// Of an order that failed or was cancelled, in the shop's words alone.
    failure_reason: Option<String>,
}

/// Publishes what the outbox holds.
pub(crate) struct Publisher {
    pool: Pool,
    sns: aws_sdk_sns::Client,
    topic_arn: String,
    woken: Arc<Notify>,
}

impl Publisher {
    pub(crate) fn new(pool: Pool, sns: aws_sdk_sns::Client, topic_arn: String, woken: Arc<Notify>) -> Self {
        Self { pool, sns, topic_arn, woken }
    }

    /// Publishes for ever.
    pub(crate) async fn run(self) {
        loop {
            match self.publish_some().await {
                Ok(0) => {
                    let _ = tokio::time::timeout(SWEEP, self.woken.notified()).await;
                    tokio::time::sleep(GATHER).await;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "events cannot be published now");
                    tokio::time::sleep(SWEEP).await;
                }
            }
        }
    }

    /// Publishes the next event of some orders; answers of how many.
    async fn publish_some(&self) -> anyhow::Result<usize> {
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        if !transaction.query_one("SELECT pg_try_advisory_xact_lock($1)", &[&LOCK]).await?.try_get(0)? {
            return Ok(0);
        }
        let events = next_events(&transaction).await?;
        for some in events.chunks(MESSAGES) {
            self.publish(&transaction, some).await?;
        }
        transaction.commit().await?;
        Ok(events.len())
    }

    /// Publishes events, no two of one order, and notes which SNS has taken. What it has not taken comes again.
    async fn publish(&self, transaction: &Transaction<'_>, events: &[Event]) -> anyhow::Result<()> {
        let mut batch = self.sns.publish_batch().topic_arn(&self.topic_arn);
        for (n, event) in events.iter().enumerate() {
            batch = batch.publish_batch_request_entries(
                PublishBatchRequestEntry::builder()
                    .id(n.to_string())
                    .message(serde_json::to_string(event)?)
                    .message_group_id(event.data.order_id.to_string())
                    .message_deduplication_id(&event.id)
                    .build()?,
            );
        }
        let answer = batch.send().await.context("SNS")?;
        let taken: Vec<&Event> = answer.successful().iter().filter_map(|entry| events.get(entry.id()?.parse::<usize>().ok()?)).collect();
        let ids: Vec<String> = taken.iter().map(|event| event.data.order_id.to_string()).collect();
        let versions: Vec<i64> = taken.iter().map(|event| event.data.order_version).collect();
        let note = transaction
            .prepare_cached(
                "UPDATE order_history h SET published_at = now() FROM unnest($1::text[], $2::bigint[]) AS p (order_id, version)
                WHERE h.order_id = p.order_id AND h.version = p.version",
            )
            .await?;
        transaction.execute(&note, &[&ids, &versions]).await?;
        if let Some(failed) = answer.failed().first() {
            tracing::warn!(code = failed.code(), count = answer.failed().len(), "SNS has not taken some events; they come again");
        }
        ensure!(!taken.is_empty(), "SNS has taken none of {} events", events.len());
        Ok(())
    }
}

/// The first unpublished event of some orders, the oldest first.
async fn next_events(transaction: &Transaction<'_>) -> anyhow::Result<Vec<Event>> {
    let next = transaction
        .prepare_cached(
            "SELECT h.order_id, h.version, h.status, h.at, o.customer_id, o.total_minor, o.currency, o.failure_reason, o.status = h.status
            FROM (
                SELECT DISTINCT ON (order_id) * FROM order_history WHERE published_at IS NULL ORDER BY order_id, version LIMIT $1
            ) h JOIN orders o ON o.id = h.order_id",
        )
        .await?;
    transaction.query(&next, &[&BATCH]).await?.iter().map(event).collect()
}

fn event(row: &Row) -> anyhow::Result<Event> {
    let (order_id, order_version): (OrderId, i64) = (row.try_get::<_, &str>(0)?.parse()?, row.try_get(1)?);
    let (currency, minor) = (currency(row.try_get(6)?)?, row.try_get(5)?);
    let status = row.try_get::<_, &str>(2)?.parse()?;
    let recorded: Option<&str> = row.try_get(7)?;
    // The reason is that of the order's present status.
    let recorded = recorded.filter(|_| row.get(8));
    let data = Data {
        order_id,
        customer_id: row.try_get(4)?,
        status,
        order_version,
        total_amount: Money { minor, currency },
        currency: currency.code().to_owned(),
        failure_reason: reason::of_order(status, recorded).map(Cow::into_owned),
    };
    Ok(Event { id: format!("{order_id}.{order_version}"), r#type: "order.status_changed", version: 1, time: row.try_get(3)?, data })
}
