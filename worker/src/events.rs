//! Publishes every change of an order's status to other systems: as messages on an SNS FIFO topic,
//! to which queues subscribe.
//!
//! Each event is published at least once, and the events of one order are published in order. The
//! outbox is the order history. Only one worker at a time publishes from it, and it publishes an
//! order's event only after SNS has accepted the earlier ones. Events of different orders are
//! published in parallel. An event that cannot be read, or that SNS refuses, blocks only its own
//! order ([`failing::EVENTS`]). A repeated event has the same id, so subscribers can detect it.

use crate::{
    db,
    ops::failing,
    order::parse_currency,
    order::reason,
    sql::{Columns, events as sql},
};
use anyhow::{Context, anyhow};
use aws_sdk_sns::{
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::publish_batch::{PublishBatchError, PublishBatchOutput},
    types::{BatchResultErrorEntry, MessageAttributeValue, PublishBatchRequestEntry},
};
use deadpool_postgres::{Pool, Transaction};
use futures::{StreamExt, stream};
use opentelemetry::trace::SpanKind;
use orders::{Money, OrderId, OrderStatus};
use platform::trace::{self, OrderTrace};
use serde::Serialize;
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use time::OffsetDateTime;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// The interval at which the outbox is read if nothing wakes the publisher.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// The pause between a wake-up and the next read. It gathers several events for one call to SNS.
const GATHER_PAUSE: Duration = Duration::from_millis(100);
/// How many orders one read of the outbox may include.
const MAX_ORDERS: i64 = 100;
/// How many events one read of the outbox may include.
const MAX_EVENTS: i64 = 1_000;
/// The maximum number of messages in one call to SNS.
const MAX_MESSAGES: usize = 10;
/// How many calls to SNS run at the same time.
const MAX_CONCURRENT_CALLS: usize = 10;
/// After this time no further round begins, so accepted events are soon recorded as published.
const MAX_ROUNDS_TIME: Duration = Duration::from_secs(2);
/// How long the publisher waits for SNS. Postgres ends a transaction that is idle for 10 s; then
/// the accepted events would not be recorded as published, and would be published again.
const SNS_TIMEOUT: Duration = Duration::from_secs(7);
/// The key of the advisory lock that the publishing worker holds. It may be any number that nothing
/// else uses.
const OUTBOX_LOCK_KEY: i64 = 0x6f72_6465_7266_6c6f;
/// Error codes that SNS reports as the sender's fault although the event is not the cause. The
/// cause is the topic, its encryption key, a permission or a quota
/// (<https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html#API_PublishBatch_Errors>).
const NOT_EVENT_FAULT: &[&str] = &[
    "AuthorizationError",
    "AccessDenied",
    "NotFound",
    "Throttled",
    "ThrottlingException",
    "RequestThrottled",
    "KMSAccessDenied",
    "KMSDisabled",
    "KMSInvalidState",
    "KMSNotFound",
    "KMSOptInRequired",
    "KMSThrottling",
];
/// Error codes with which SNS refuses a whole call because of the content of one of its events.
const CONTENT_ERRORS: &[&str] =
    &["InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationException", "BatchRequestTooLong"];

type PublishError = SdkError<PublishBatchError>;

/// A message on the topic (docs/events.md).
#[derive(Serialize)]
struct Message {
    /// The event's id. It stays the same when the event is published again.
    id: String,
    r#type: &'static str,
    /// The version of the message format. It increases when a field changes its meaning or is
    /// removed.
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
    /// The order's version. It increases with each event of an order, but not by one.
    order_version: i64,
    total_amount: Money,
    currency: String,
    /// Why the order failed or was cancelled. The text contains only the shop's own sentences.
    failure_reason: Option<String>,
}

/// Publishes the events in the outbox.
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

    /// Publishes events for ever.
    pub(crate) async fn run(self) {
        loop {
            match self.publish_next().await {
                Ok(0) => {
                    let _ = tokio::time::timeout(POLL_INTERVAL, self.woken.notified()).await;
                    tokio::time::sleep(GATHER_PAUSE).await;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "events cannot be published now");
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            }
        }
    }

    /// Publishes the next events of some orders. Returns the number of published events and failed
    /// orders; 0 if there is nothing to do, or another worker publishes.
    async fn publish_next(&self) -> anyhow::Result<usize> {
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        if !sql::try_lock_outbox(&transaction, OUTBOX_LOCK_KEY).await?.is_locked {
            return Ok(0);
        }
        let mut outbox = Outbox::read(&transaction).await?;
        let (mut published, begun) = (Published::default(), Instant::now());
        // Each round publishes the next event of every order.
        loop {
            let round = outbox.next_round();
            if round.is_empty() || begun.elapsed() > MAX_ROUNDS_TIME {
                break;
            }
            let calls: Vec<_> = round.chunks(MAX_MESSAGES).map(|events| self.publish(events)).collect();
            let (mut calls, mut result) = (stream::iter(calls).buffer_unordered(MAX_CONCURRENT_CALLS), Published::default());
            loop {
                match timeout_at(begun + SNS_TIMEOUT, calls.next()).await {
                    Ok(Some(published)) => result = result.merge(published),
                    Ok(None) => break,
                    Err(_) => {
                        result.error = Some(anyhow!("SNS has not answered within {} s", SNS_TIMEOUT.as_secs()));
                        break;
                    }
                }
            }
            drop(calls);
            outbox.advance(&result.accepted);
            published = published.merge(result);
        }
        mark_published(&transaction, &published.accepted).await?;
        let recovered: Vec<String> = published
            .accepted
            .iter()
            .map(|(order_id, _)| order_id.to_string())
            .filter(|order_id| outbox.failing.contains(order_id))
            .collect();
        if !recovered.is_empty() {
            failing::clear_failures(&transaction, failing::EVENTS, &recovered).await?;
        }
        outbox.failures.append(&mut published.refused);
        failing::record_failures(&transaction, failing::EVENTS, &outbox.failures).await?;
        transaction.commit().await?;
        match published.error {
            Some(error) if published.accepted.is_empty() => Err(error),
            Some(error) => {
                tracing::warn!(error = format!("{error:#}"), "SNS did not accept some events; they will be published again");
                Ok(published.accepted.len())
            }
            None => Ok(published.accepted.len() + outbox.failures.len()),
        }
    }

    /// Publishes events. There must be at most one event of each order.
    async fn publish(&self, events: &[&Event]) -> Published {
        match self.publish_batch(events).await {
            // Publish the events one by one to find the one that SNS refuses.
            Err(error) if events.len() > 1 && is_content_error(&error) => {
                let mut published = Published::default();
                for event in events {
                    published = published.merge(self.publish_batch(&[event]).await.unwrap_or_else(|error| classify_failure(event, error)));
                }
                published
            }
            Err(error) if events.len() == 1 => classify_failure(events[0], error),
            Err(error) => Published { error: Some(anyhow::Error::new(error).context("SNS")), ..Published::default() },
            Ok(published) => published,
        }
    }

    async fn publish_batch(&self, events: &[&Event]) -> Result<Published, PublishError> {
        let mut batch = self.sns.publish_batch().topic_arn(&self.topic_arn);
        let spans: Vec<_> = events.iter().map(|event| event.span(&self.topic_arn)).collect();
        for (n, (event, span)) in events.iter().zip(&spans).enumerate() {
            let entry = PublishBatchRequestEntry::builder()
                .id(n.to_string())
                .set_message_attributes(
                    trace::traceparent(span.as_ref()).map(trace_attribute).transpose().map_err(SdkError::construction_failure)?,
                )
                .message(&event.message)
                .message_group_id(event.order_id.to_string())
                .message_deduplication_id(&event.id);
            batch = batch.publish_batch_request_entries(entry.build().map_err(SdkError::construction_failure)?);
        }
        let answer = batch.send().await;
        let failed: HashSet<&str> = answer.iter().flat_map(PublishBatchOutput::failed).map(BatchResultErrorEntry::id).collect();
        for (n, span) in spans.into_iter().enumerate() {
            let is_accepted = answer.is_ok() && !failed.contains(n.to_string().as_str());
            trace::end(span, (!is_accepted).then_some("sns"));
        }
        let answer = answer?;
        let event = |id: Option<&str>| id.and_then(|id| events.get(id.parse::<usize>().ok()?));
        let mut published = Published::default();
        published.accepted.extend(answer.successful().iter().filter_map(|entry| event(entry.id())).map(|event| event.key()));
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
    trace: OrderTrace,
}

impl Event {
    /// Starts the span of publishing the event. Several events are published in one call, so the
    /// call itself belongs to no order's trace.
    fn span(&self, topic_arn: &str) -> Option<opentelemetry::Context> {
        let span = trace::order_span(SpanKind::Producer, "publish order.status_changed", Some("events"), self.order_id, &self.trace);
        trace::set_message(span.as_ref(), "aws.sns", "send", topic_arn);
        span
    }

    fn key(&self) -> (OrderId, i64) {
        (self.order_id, self.version)
    }
}

/// The result of publishing events.
#[derive(Default)]
struct Published {
    /// The keys of the events that SNS has accepted.
    accepted: Vec<(OrderId, i64)>,
    /// The orders whose event SNS refuses because of its content.
    refused: Vec<failing::Failure>,
    /// Why SNS did not accept other events. The events themselves are not the cause.
    error: Option<anyhow::Error>,
}

impl Published {
    fn merge(mut self, other: Self) -> Self {
        self.accepted.extend(other.accepted);
        self.refused.extend(other.refused);
        self.error = self.error.or(other.error);
        self
    }
}

/// Events from the database that wait to be published.
struct Outbox {
    /// The events of each order, by version.
    orders: Vec<VecDeque<Event>>,
    /// The orders that have an event which cannot be read.
    failures: Vec<failing::Failure>,
    /// The ids of the orders that are failing rows at present.
    failing: HashSet<String>,
}

impl Outbox {
    /// Reads the unpublished events of the oldest orders. Failing rows that are not due are left
    /// out.
    async fn read(transaction: &Transaction<'_>) -> anyhow::Result<Self> {
        let next = sql::next_events(transaction, MAX_ORDERS, MAX_EVENTS).await?;
        let mut outbox = Self { orders: Vec::new(), failures: Vec::new(), failing: HashSet::new() };
        let mut last = String::new();
        for row in next.iter() {
            let sql::EventOrder { order_id, is_failing } = sql::EventOrder::read(row)?;
            if is_failing {
                outbox.failing.insert(order_id.clone());
            }
            if order_id != last {
                last.clone_from(&order_id);
                outbox.orders.push(VecDeque::new());
            }
            match sql::NextEvent::read(row).map_err(anyhow::Error::from).and_then(build_event) {
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

    /// Removes the first event of each order if SNS has accepted it. If SNS has not accepted it,
    /// all events of the order are removed from memory; a later read finds them again.
    fn advance(&mut self, accepted: &[(OrderId, i64)]) {
        let accepted: HashSet<&(OrderId, i64)> = accepted.iter().collect();
        self.orders.retain_mut(|events| events.pop_front().is_some_and(|event| accepted.contains(&event.key())));
    }
}

/// The attributes of a message that carry the trace context to its subscribers.
fn trace_attribute(traceparent: String) -> Result<HashMap<String, MessageAttributeValue>, BuildError> {
    let value = MessageAttributeValue::builder().data_type("String").string_value(traceparent).build();
    Ok(HashMap::from([(trace::TRACEPARENT.to_owned(), value?)]))
}

/// Records the accepted events as published.
async fn mark_published(transaction: &Transaction<'_>, accepted: &[(OrderId, i64)]) -> anyhow::Result<()> {
    let (ids, versions): (Vec<String>, Vec<i64>) = accepted.iter().map(|(order_id, version)| (order_id.to_string(), *version)).unzip();
    sql::mark_published(transaction, &ids, &versions).await?;
    Ok(())
}

/// Whether SNS refuses a call because of the content of an event.
fn is_content_error(error: &PublishError) -> bool {
    error.code().is_some_and(|code| CONTENT_ERRORS.contains(&code))
}

/// Whether SNS refuses an event because of its content.
fn is_refusal(entry: &BatchResultErrorEntry) -> bool {
    entry.sender_fault() && !NOT_EVENT_FAULT.contains(&entry.code())
}

/// The result of a failed call for one event: SNS refuses the event, or the call can be repeated.
fn classify_failure(event: &Event, error: PublishError) -> Published {
    let refused = is_content_error(&error);
    let error = anyhow::Error::new(error).context("SNS");
    if refused {
        Published { refused: vec![failing::Failure::new(event.order_id.to_string(), &error)], ..Published::default() }
    } else {
        Published { error: Some(error), ..Published::default() }
    }
}

fn build_event(next: sql::NextEvent) -> anyhow::Result<Event> {
    let (order_id, order_version): (OrderId, i64) = (next.order_id.parse()?, next.version);
    let (currency, minor) = (parse_currency(&next.currency)?, next.total_minor);
    let status = next.status.parse()?;
    // The recorded reason belongs to the order's present status, so events of earlier statuses have
    // none.
    let recorded = next.failure_reason.as_deref().filter(|_| next.is_current);
    let data = Data {
        order_id,
        customer_id: next.customer_id,
        status,
        order_version,
        total_amount: Money { minor, currency },
        currency: currency.code().to_owned(),
        failure_reason: reason::public_order_reason(status, recorded).map(Cow::into_owned),
    };
    let trace = OrderTrace::stored(next.traceparent.as_deref());
    let id = format!("{order_id}.{order_version}");
    let message = Message { id: id.clone(), r#type: "order.status_changed", version: 1, time: next.at, data };
    Ok(Event { order_id, version: order_version, id, message: serde_json::to_string(&message)?, trace })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(order: u8, versions: &[i64]) -> VecDeque<Event> {
        let order_id = format!("ord_0193000000007000800000000000000{order}").parse().unwrap();
        versions
            .iter()
            .map(|version| Event { order_id, version: *version, id: String::new(), message: String::new(), trace: OrderTrace::default() })
            .collect()
    }

    fn versions(outbox: &Outbox) -> Vec<i64> {
        outbox.next_round().iter().map(|event| event.version).collect()
    }

    #[test]
    fn an_orders_next_event_waits_until_the_first_is_accepted() {
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
