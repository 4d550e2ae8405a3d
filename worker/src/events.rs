//! Tells other systems of every status that an order gets: messages on an SNS FIFO topic, which queues subscribe to.
//!
//! At least once, and in order for each order: the history is the outbox, one worker at a time publishes from it, and never an order's event
//! before its earlier ones have been taken. Orders are published side by side. An event that cannot be read, or that SNS refuses, holds up its own
//! order alone ([`failing::EVENTS`]). Whoever reads them tells repetitions by their id.

use crate::{
    db, failing,
    inventory::currency,
    reason,
    sql::{Columns, events as sql},
};
use anyhow::{Context, anyhow};
use aws_sdk_sns::{
    error::{ProvideErrorMetadata, SdkError},
    operation::publish_batch::PublishBatchError,
    types::{BatchResultErrorEntry, PublishBatchRequestEntry},
};
use deadpool_postgres::{Pool, Transaction};
use futures::{StreamExt, stream};
use orders::{Money, OrderId, OrderStatus};
use serde::Serialize;
use std::{
    borrow::Cow,
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use time::OffsetDateTime;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// How often the outbox is looked at without being woken.
const SWEEP: Duration = Duration::from_secs(2);
/// How long events are gathered, so that a batch is worth its call.
const GATHER: Duration = Duration::from_millis(100);
/// Orders whose events are published in one go.
const ORDERS: i64 = 100;
/// Events that are published in one go.
const EVENTS: i64 = 1_000;
/// Messages that SNS takes in one call.
const MESSAGES: usize = 10;
/// Calls to SNS at once.
const CALLS: usize = 10;
/// After this time no further round begins, so that what SNS has taken is noted soon.
const ROUNDS: Duration = Duration::from_secs(2);
/// After this time SNS is not waited for any longer: Postgres ends a transaction that is idle for 10 s, and what SNS has taken would come again.
const PATIENCE: Duration = Duration::from_secs(7);
/// The advisory lock that the publishing worker holds; any number that nothing else uses.
const LOCK: i64 = 0x6f72_6465_7266_6c6f;
/// Codes with which SNS blames the sender, though the event is not at fault: the topic, a permission, a key or a quota is.
const NOT_THE_EVENT: &[&str] = &["AuthorizationError", "AccessDenied", "NotFound", "Throttled", "ThrottlingException", "RequestThrottled"];
/// Codes with which SNS refuses a whole call for what stands in one of its events.
const CONTENT: &[&str] =
    &["InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationException", "BatchRequestTooLong"];

type PublishError = SdkError<PublishBatchError>;

/// A message on the topic.
#[derive(Serialize)]
struct Message {
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

    /// Publishes the next events of some orders; answers how many.
    async fn publish_some(&self) -> anyhow::Result<usize> {
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        if !sql::try_lock_outbox(&transaction, LOCK).await?.is_locked {
            return Ok(0);
        }
        let mut outbox = Outbox::read(&transaction).await?;
        let (mut published, begun) = (Published::default(), Instant::now());
        // Each round has the next event of every order.
        loop {
            let round = outbox.next_round();
            if round.is_empty() || begun.elapsed() > ROUNDS {
                break;
            }
            let calls: Vec<_> = round.chunks(MESSAGES).map(|events| self.publish(events)).collect();
            let (mut calls, mut result) = (stream::iter(calls).buffer_unordered(CALLS), Published::default());
            loop {
                match timeout_at(begun + PATIENCE, calls.next()).await {
                    Ok(Some(published)) => result = result.and(published),
                    Ok(None) => break,
                    Err(_) => {
                        result.error = Some(anyhow!("SNS has not answered within {} s", PATIENCE.as_secs()));
                        break;
                    }
                }
            }
            drop(calls);
            outbox.advance(&result.taken);
            published = published.and(result);
        }
        note(&transaction, &published.taken).await?;
        let healed: Vec<String> =
            published.taken.iter().map(|(order_id, _)| order_id.to_string()).filter(|order_id| outbox.failing.contains(order_id)).collect();
        if !healed.is_empty() {
            failing::clear(&transaction, failing::EVENTS, &healed).await?;
        }
        outbox.failures.append(&mut published.refused);
        failing::record(&transaction, failing::EVENTS, &outbox.failures).await?;
        transaction.commit().await?;
        match published.error {
            Some(error) if published.taken.is_empty() => Err(error),
            Some(error) => {
                tracing::warn!(error = format!("{error:#}"), "SNS has not taken some events; they come again");
                Ok(published.taken.len())
            }
            None => Ok(published.taken.len() + outbox.failures.len()),
        }
    }

    /// Publishes events, no two of one order.
    async fn publish(&self, events: &[&Event]) -> Published {
        match self.publish_batch(events).await {
            // One by one, so that the one at fault shows.
            Err(error) if events.len() > 1 && is_content(&error) => {
                let mut published = Published::default();
                for event in events {
                    published = published.and(self.publish_batch(&[event]).await.unwrap_or_else(|error| refused_or_late(event, error)));
                }
                published
            }
            Err(error) if events.len() == 1 => refused_or_late(events[0], error),
            Err(error) => Published { error: Some(anyhow::Error::new(error).context("SNS")), ..Published::default() },
            Ok(published) => published,
        }
    }

    async fn publish_batch(&self, events: &[&Event]) -> Result<Published, PublishError> {
        let mut batch = self.sns.publish_batch().topic_arn(&self.topic_arn);
        for (n, event) in events.iter().enumerate() {
            let entry = PublishBatchRequestEntry::builder()
                .id(n.to_string())
                .message(&event.message)
                .message_group_id(event.order_id.to_string())
                .message_deduplication_id(&event.id);
            batch = batch.publish_batch_request_entries(entry.build().map_err(SdkError::construction_failure)?);
        }
        let answer = batch.send().await?;
        let event = |id: Option<&str>| id.and_then(|id| events.get(id.parse::<usize>().ok()?));
        let mut published = Published::default();
        published.taken.extend(answer.successful().iter().filter_map(|entry| event(entry.id())).map(|event| event.key()));
        for entry in answer.failed() {
            let error = anyhow!("SNS: {} {}", entry.code(), entry.message().unwrap_or_default());
            match event(Some(entry.id())) {
                Some(event) if is_refusal(entry) => published.refused.push(failing::Failure::new(event.order_id.to_string(), &error)),
                _ => published.error = Some(error),
            }
        }
        Ok(published)
    }
}

/// An event that is ready to be published.
struct Event {
    order_id: OrderId,
    version: i64,
    id: String,
    message: String,
}

impl Event {
    fn key(&self) -> (OrderId, i64) {
        (self.order_id, self.version)
    }
}

/// What became of events.
#[derive(Default)]
struct Published {
    /// What SNS has taken.
    taken: Vec<(OrderId, i64)>,
    /// Orders of which SNS refuses an event.
    refused: Vec<failing::Failure>,
    /// Why others were not taken, which is not their fault.
    error: Option<anyhow::Error>,
}

impl Published {
    fn and(mut self, other: Self) -> Self {
        self.taken.extend(other.taken);
        self.refused.extend(other.refused);
        self.error = self.error.or(other.error);
        self
    }
}

/// What waits to be published.
struct Outbox {
    /// The events of each order, in their order.
    orders: Vec<VecDeque<Event>>,
    /// Orders of which an event cannot be read.
    failures: Vec<failing::Failure>,
    /// Orders that have failed before.
    failing: HashSet<String>,
}

impl Outbox {
    /// The unpublished events of the oldest orders that are due.
    async fn read(transaction: &Transaction<'_>) -> anyhow::Result<Self> {
        let next = sql::next_events(transaction, ORDERS, EVENTS).await?;
        let mut outbox = Self { orders: Vec::new(), failures: Vec::new(), failing: HashSet::new() };
        let mut last = String::new();
        for row in next.iter() {
            let sql::EventOrder { order_id, fails } = sql::EventOrder::read(row)?;
            if fails {
                outbox.failing.insert(order_id.clone());
            }
            if order_id != last {
                last.clone_from(&order_id);
                outbox.orders.push(VecDeque::new());
            }
            match sql::NextEvent::read(row).map_err(anyhow::Error::from).and_then(event) {
                _ if outbox.failures.last().is_some_and(|failure| failure.row_id == order_id) => {}
                Ok(event) => outbox.orders.last_mut().context("no order")?.push_back(event),
                Err(error) => outbox.failures.push(failing::Failure::new(order_id, &error.context("its event cannot be read"))),
            }
        }
        Ok(outbox)
    }

    /// The next event of each order.
    fn next_round(&self) -> Vec<&Event> {
        self.orders.iter().filter_map(VecDeque::front).collect()
    }

    /// Orders go on whose event was taken. The others wait.
    fn advance(&mut self, taken: &[(OrderId, i64)]) {
        let taken: HashSet<&(OrderId, i64)> = taken.iter().collect();
        self.orders.retain_mut(|events| events.pop_front().is_some_and(|event| taken.contains(&event.key())));
    }
}

/// Notes what SNS has taken.
async fn note(transaction: &Transaction<'_>, taken: &[(OrderId, i64)]) -> anyhow::Result<()> {
    let (ids, versions): (Vec<String>, Vec<i64>) = taken.iter().map(|(order_id, version)| (order_id.to_string(), *version)).unzip();
    sql::mark_published(transaction, &ids, &versions).await?;
    Ok(())
}

/// Whether SNS refuses a call for what stands in it.
fn is_content(error: &PublishError) -> bool {
    error.code().is_some_and(|code| CONTENT.contains(&code))
}

/// Whether SNS refuses an event for what it is.
fn is_refusal(entry: &BatchResultErrorEntry) -> bool {
    entry.sender_fault() && !NOT_THE_EVENT.contains(&entry.code())
}

/// What a failed call for one event means.
fn refused_or_late(event: &Event, error: PublishError) -> Published {
    let refused = is_content(&error);
    let error = anyhow::Error::new(error).context("SNS");
    if refused {
        Published { refused: vec![failing::Failure::new(event.order_id.to_string(), &error)], ..Published::default() }
    } else {
        Published { error: Some(error), ..Published::default() }
    }
}

fn event(next: sql::NextEvent) -> anyhow::Result<Event> {
    let (order_id, order_version): (OrderId, i64) = (next.order_id.parse()?, next.version);
    let (currency, minor) = (currency(&next.currency)?, next.total_minor);
    let status = next.status.parse()?;
    // The reason is that of the order's present status.
    let recorded = next.failure_reason.as_deref().filter(|_| next.is_current);
    let data = Data {
        order_id,
        customer_id: next.customer_id,
        status,
        order_version,
        total_amount: Money { minor, currency },
        currency: currency.code().to_owned(),
        failure_reason: reason::of_order(status, recorded).map(Cow::into_owned),
    };
    let id = format!("{order_id}.{order_version}");
    let message = Message { id: id.clone(), r#type: "order.status_changed", version: 1, time: next.at, data };
    Ok(Event { order_id, version: order_version, id, message: serde_json::to_string(&message)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(order: u8, versions: &[i64]) -> VecDeque<Event> {
        let order_id = format!("ord_0193000000007000800000000000000{order}").parse().unwrap();
        versions.iter().map(|version| Event { order_id, version: *version, id: String::new(), message: String::new() }).collect()
    }

    fn versions(outbox: &Outbox) -> Vec<i64> {
        outbox.next_round().iter().map(|event| event.version).collect()
    }

    #[test]
    fn an_order_goes_on_only_when_its_event_was_taken() {
        let orders = vec![events(1, &[1, 2]), events(2, &[10, 20, 30])];
        let mut outbox = Outbox { orders, failures: Vec::new(), failing: HashSet::new() };
        assert_eq!(versions(&outbox), [1, 10]);
        let second = outbox.orders[1][0].key();
        outbox.advance(&[second]);
        assert_eq!(versions(&outbox), [20], "the first order waits");
        let second = outbox.orders[0][0].key();
        outbox.advance(&[second]);
        assert_eq!(versions(&outbox), [30]);
        outbox.advance(&[]);
        assert!(versions(&outbox).is_empty());
    }

    #[test]
    fn an_event_is_refused_only_when_it_is_at_fault() {
        let entry =
            |code: &str, sender_fault| BatchResultErrorEntry::builder().id("0").code(code).sender_fault(sender_fault).build().unwrap();
        assert!(is_refusal(&entry("InvalidParameter", true)));
        assert!(!is_refusal(&entry("AuthorizationError", true)) && !is_refusal(&entry("InternalError", false)));
    }
}
