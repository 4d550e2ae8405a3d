//! Another system that follows orders by their events: a queue subscribed to the topic, which is
//! read continuously.

use super::{customer::hostile, record::locked};
use crate::support::{Shop, text};
use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::{
    Client,
    types::{DeleteMessageBatchRequestEntry, Message, QueueAttributeName},
};
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::Mutex,
    time::Duration,
};
use tokio::time::sleep;

/// The topic that local mode creates from infra/data.yaml.
pub(super) const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:orderflow-events.fifo";
const QUEUE: &str = "faults-subscriber.fifo";
/// The largest batch that SQS returns.
const BATCH: i32 = 10;
const PAUSE: Duration = Duration::from_millis(300);

#[derive(Default)]
struct Received {
    ids: HashSet<String>,
    /// The version of each order's last event.
    last: HashMap<String, i64>,
    /// Descriptions of wrong events: forbidden content, or a wrong order of versions.
    violations: Vec<String>,
    repeated: usize,
}

pub(super) struct Subscriber {
    sqs: Client,
    sns: aws_sdk_sns::Client,
    queue: Mutex<String>,
    received: Mutex<Received>,
}

impl Subscriber {
    pub(super) fn new(shop: &Shop) -> Result<Self> {
        let config = shop.aws()?;
        let (sqs, sns) = (Client::new(&config), aws_sdk_sns::Client::new(&config));
        Ok(Self { sqs, sns, queue: Mutex::default(), received: Mutex::default() })
    }

    /// Creates the queue and subscribes it. This is repeated after the emulator has lost both.
    pub(super) async fn subscribe(&self) -> Result<()> {
        let made = self.sqs.create_queue().queue_name(QUEUE).attributes(QueueAttributeName::FifoQueue, "true").send().await?;
        *locked(&self.queue) = made.queue_url.context("no queue")?;
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{QUEUE}");
        let subscription = self.sns.subscribe().topic_arn(TOPIC).protocol("sqs").endpoint(arn).attributes("RawMessageDelivery", "true");
        subscription.send().await?;
        Ok(())
    }

    /// Receives events for ever.
    pub(super) async fn listen(&self) -> Infallible {
        loop {
            // A message that cannot be read now is delivered again.
            if !self.receive().await.is_ok_and(|count| count > 0) {
                sleep(PAUSE).await;
            }
        }
    }

    /// Receives one batch of messages. Returns how many.
    async fn receive(&self) -> Result<usize> {
        let queue = locked(&self.queue).clone();
        let received = self.sqs.receive_message().queue_url(&queue).max_number_of_messages(BATCH).send().await?;
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(0);
        }
        let mut delete = self.sqs.delete_message_batch().queue_url(&queue);
        for (n, message) in messages.iter().enumerate() {
            self.record_event(message)?;
            let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string()).set_receipt_handle(message.receipt_handle.clone());
            delete = delete.entries(entry.build()?);
        }
        let failed = delete.send().await?.failed;
        ensure!(failed.is_empty(), "messages could not be deleted: {failed:?}");
        Ok(messages.len())
    }

    fn record_event(&self, message: &Message) -> Result<()> {
        let body = message.body().context("no body")?;
        let event: Value = serde_json::from_str(body)?;
        let (id, order) = (text(&event, "/id")?, text(&event, "/data/orderID")?);
        let version = event["data"]["orderVersion"].as_i64().context("no version")?;
        let mut received = locked(&self.received);
        if body.contains(hostile::CANARY) {
            received.violations.push(format!("the event {id} carries what a customer wrote"));
        }
        if !received.ids.insert(id.to_owned()) {
            received.repeated += 1;
            return Ok(());
        }
        if let Some(before) = received.last.insert(order.to_owned(), version).filter(|before| *before >= version) {
            received.violations.push(format!("the event of version {version} of {order} came after that of version {before}"));
        }
        Ok(())
    }

    /// The number of different events, and the number of repetitions.
    pub(super) fn count(&self) -> (usize, usize) {
        let received = locked(&self.received);
        (received.ids.len(), received.repeated)
    }

    pub(super) fn has_received(&self, order: &str, version: i64) -> bool {
        locked(&self.received).ids.contains(&format!("{order}.{version}"))
    }

    /// Descriptions of wrong events: forbidden content, or a wrong order of versions.
    pub(super) fn violations(&self) -> Vec<String> {
        locked(&self.received).violations.clone()
    }
}
