//! Feeds the intake queue to [`start_queued_orders`] where no Lambda event source mapping does: in local mode.
//!
//! While Temporal is away nothing is received, so that orders rest in the queue instead of going round in it.

use crate::{
    intake_queue::{self, IntakeQueue},
    start_queued_orders::start_queued_orders,
    workflows::{self, Workflows},
};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::{
    Client,
    types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message},
};
use platform::{
    aws::{self, Patience},
    stop,
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

/// Messages received at once: the most that SQS gives.
const BATCH: i32 = 10;
/// How long SQS may wait for a message to come. What it gives to somebody who has gone meanwhile is not given again for a minute, so this is short, and
/// whoever is told to stop waits for it.
const WAIT_SECONDS: i32 = 1;
/// After how long a message that failed comes again.
const RETRY_SECONDS: i32 = 5;
/// Far longer than SQS waits for messages: a request that is given up while SQS is stalled may be answered later, to nobody. The loop itself tries again.
const PATIENCE: Patience = Patience { connect: Duration::from_secs(2), attempt: Duration::from_secs(25), attempts: 1 };
/// How long what is being received is waited for when there is no more to be.
const LAST: Duration = Duration::from_secs(2);
/// How long to wait after the first failure in a row; each further one doubles it, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A round takes half a minute at most. After twice that long without one, the consumer does not work.
const SILENT: Duration = Duration::from_secs(60);

/// Whether this process consumes the intake queue, and when it last did; in AWS, Lambda does.
#[derive(Clone, Debug, Default)]
pub struct Consumer(Option<Arc<Mutex<Instant>>>);

impl Consumer {
    /// One that is about to begin.
    #[must_use]
    pub fn here() -> Self {
        Self(Some(Arc::new(Mutex::new(Instant::now()))))
    }

    /// Whether it has done a round lately, whatever came of it; `None` where it is another's business.
    #[must_use]
    pub fn is_alive(&self) -> Option<bool> {
        let last = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(last.elapsed() < SILENT)
    }

    fn beat(&self) {
        if let Some(last) = &self.0 {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}

pub struct QueuePoller {
    /// Waits longer than the clients that somebody waits for.
    sqs: Client,
    workflows: Arc<Workflows>,
    intake_queue: Arc<IntakeQueue>,
    consumer: Consumer,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{}", .0.chain())]
    Temporal(#[from] workflows::Error),
    #[error(transparent)]
    Queue(#[from] intake_queue::Error),
}

impl QueuePoller {
    pub async fn new(workflows: Arc<Workflows>, intake_queue: Arc<IntakeQueue>, consumer: Consumer) -> Self {
        Self { sqs: Client::new(&aws::config(PATIENCE).await), workflows, intake_queue, consumer }
    }

    /// Polls until `stop` says so. A batch that has been received, or is about to be, is brought to its end.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut pause = FIRST_PAUSE;
        while !*stop.borrow() {
            let mut receiving = pin!(self.receive());
            let received = select! {
                received = &mut receiving => received,
                () = stop::wait(stop.clone()) => match timeout(LAST, receiving).await {
                    Ok(received) => received,
                    Err(_) => return,
                },
            };
            let round = match received {
                Ok(messages) => self.process(messages).await,
                Err(error) => Err(error),
            };
            self.consumer.beat();
            let Err(error) = round else {
                pause = FIRST_PAUSE;
                continue;
            };
            if pause == FIRST_PAUSE {
                tracing::warn!(cause = %error, "the intake queue waits");
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
            self.sqs.receive_message().queue_url(&self.intake_queue.url).max_number_of_messages(BATCH).wait_time_seconds(WAIT_SECONDS);
        Ok(received.send().await.map_err(intake_queue::Error::new)?.messages.unwrap_or_default())
    }

    /// Does what Lambda's event source mapping does: deletes what succeeded, and has the rest come again.
    async fn process(&self, messages: Vec<Message>) -> Result<(), Error> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut event = SqsEvent::default();
        event.records = messages.iter().map(record).collect();
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

/// A message as Lambda's event source mapping would hand it over.
fn record(message: &Message) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id.clone_from(&message.message_id);
    record.receipt_handle.clone_from(&message.receipt_handle);
    record.body.clone_from(&message.body);
    record
}
