//! Passes the messages of the intake queue to [`start_queued_orders`] in local mode. In AWS, a
//! Lambda event source mapping does this.
//!
//! While Temporal is away, nothing is received. So the orders stay in the queue and are not
//! received again and again.

use crate::{
    intake::intake_queue::{self, IntakeQueue},
    intake::start_queued_orders::start_queued_orders,
    workflows::{self, Workflows},
};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage, SqsMessageAttribute};
use aws_sdk_sqs::{
    Client,
    types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message},
};
use platform::{
    aws::{self, Timeouts},
    error::chain,
    stop, trace,
};
use std::{
    collections::HashSet,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    select,
    sync::watch,
    time::{sleep, timeout},
};

/// The maximum number of messages per call. SQS allows no more.
const MAX_BATCH: i32 = 10;
/// How long SQS may wait for a message, in seconds. If the process ended during that wait, SQS
/// could deliver a message to nobody, and the message would be hidden for a minute. Therefore the
/// process waits for the answer before it ends, and the time is short.
const WAIT_SECONDS: i32 = 1;
/// The seconds after which a failed message is delivered again.
const RETRY_SECONDS: i32 = 5;
/// The time limit for an attempt is much longer than SQS waits for messages. If a call is given up
/// while SQS is slow, SQS may later answer it with messages that nobody receives. There is only one
/// attempt, because the loop repeats the call.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(2), attempt: Duration::from_secs(25), attempts: 1 };
/// The time limit for the answer to the last call, after the process was asked to stop.
const LAST_ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause after the first of several failures in a row. It doubles with each further failure, up
/// to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The time after which a consumer that has ended no round counts as dead. A round usually takes a
/// second or two. It makes up to three calls of SQS, each of which may take as long as [`TIMEOUTS`]
/// permits.
const CONSUMER_TIMEOUT: Duration = Duration::from_secs(90);

/// Whether this process consumes the intake queue, and when its last round ended. In AWS, Lambda
/// consumes it.
#[derive(Clone, Debug, Default)]
pub struct Consumer(Option<Arc<Mutex<Instant>>>);

impl Consumer {
    /// A consumer that is about to start in this process.
    #[must_use]
    pub fn local() -> Self {
        Self(Some(Arc::new(Mutex::new(Instant::now()))))
    }

    /// Whether the last round was recent, even if it failed. `None` if this process does not
    /// consume the queue.
    #[must_use]
    pub fn is_alive(&self) -> Option<bool> {
        let last = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(last.elapsed() < CONSUMER_TIMEOUT)
    }

    fn record_round(&self) {
        if let Some(last) = &self.0 {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}

pub struct QueuePoller {
    /// A client with longer timeouts than those for requests.
    sqs: Client,
    workflows: Arc<Workflows>,
    intake_queue: Arc<IntakeQueue>,
    consumer: Consumer,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Temporal(#[from] workflows::Error),
    #[error(transparent)]
    Queue(#[from] intake_queue::Error),
}

impl QueuePoller {
    pub async fn new(workflows: Arc<Workflows>, intake_queue: Arc<IntakeQueue>, consumer: Consumer) -> Self {
        Self { sqs: Client::new(&aws::config(TIMEOUTS).await), workflows, intake_queue, consumer }
    }

    /// Polls until `stop` is true. It then finishes the batch that it has received or is about to
    /// receive.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut pause = FIRST_PAUSE;
        while !*stop.borrow() {
            let mut receiving = pin!(self.receive());
            let received = select! {
                received = &mut receiving => received,
                () = stop::wait(stop.clone()) => match timeout(LAST_ANSWER_TIMEOUT, receiving).await {
                    Ok(received) => received,
                    Err(_) => return,
                },
            };
            let round = match received {
                Ok(messages) => self.process(messages).await,
                Err(error) => Err(error),
            };
            self.consumer.record_round();
            let Err(error) = round else {
                pause = FIRST_PAUSE;
                continue;
            };
            if pause == FIRST_PAUSE {
                tracing::warn!(cause = chain(&error), "polling of the intake queue is paused after a failure");
            }
            select! {
                () = sleep(pause) => {}
                () = stop::wait(stop.clone()) => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, Error> {
        self.workflows.ping().await?;
        let received =
            self.sqs.receive_message().queue_url(&self.intake_queue.url).max_number_of_messages(MAX_BATCH).wait_time_seconds(WAIT_SECONDS);
        let received = received.message_attribute_names(trace::TRACEPARENT).message_attribute_names(trace::BAGGAGE);
        Ok(received.send().await.map_err(intake_queue::Error::new)?.messages.unwrap_or_default())
    }

    /// Starts the workflows. Like Lambda's event source mapping, it deletes the messages that
    /// succeeded. SQS delivers the others again.
    async fn process(&self, messages: Vec<Message>) -> Result<(), Error> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut event = SqsEvent::default();
        event.records = messages.iter().map(to_lambda_record).collect();
        let failures = start_queued_orders(&self.workflows, &self.intake_queue, event).await.batch_item_failures;
        let failed: HashSet<_> = failures.into_iter().map(|failure| failure.item_identifier).collect();
        let (failed, done): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| message.message_id.as_ref().is_some_and(|id| failed.contains(id)));
        self.delete(done).await?;
        self.postpone(failed).await
    }

    async fn delete(&self, messages: Vec<Message>) -> Result<(), Error> {
        let entries: Vec<_> = messages
            .into_iter()
            .enumerate()
            .filter_map(|(n, message)| {
                DeleteMessageBatchRequestEntry::builder().id(n.to_string()).set_receipt_handle(message.receipt_handle).build().ok()
            })
            .collect();
        if !entries.is_empty() {
            let delete = self.sqs.delete_message_batch().queue_url(&self.intake_queue.url).set_entries(Some(entries));
            delete.send().await.map_err(intake_queue::Error::new)?;
        }
        Ok(())
    }

    async fn postpone(&self, messages: Vec<Message>) -> Result<(), Error> {
        let entries: Vec<_> = messages
            .into_iter()
            .enumerate()
            .filter_map(|(n, message)| {
                let entry =
                    ChangeMessageVisibilityBatchRequestEntry::builder().id(n.to_string()).set_receipt_handle(message.receipt_handle);
                entry.visibility_timeout(RETRY_SECONDS).build().ok()
            })
            .collect();
        if !entries.is_empty() {
            let postpone = self.sqs.change_message_visibility_batch().queue_url(&self.intake_queue.url).set_entries(Some(entries));
            postpone.send().await.map_err(intake_queue::Error::new)?;
        }
        Ok(())
    }
}

/// Converts a message to the form in which Lambda's event source mapping passes it.
fn to_lambda_record(message: &Message) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id.clone_from(&message.message_id);
    record.receipt_handle.clone_from(&message.receipt_handle);
    record.body.clone_from(&message.body);
    for (name, value) in message.message_attributes.iter().flatten() {
        let mut attribute = SqsMessageAttribute::default();
        attribute.string_value.clone_from(&value.string_value);
        record.message_attributes.insert(name.clone(), attribute);
    }
    record
}
