//! Feedback from SES about e-mails that it has accepted. The worker reads it from the queue that
//! SES's topic feeds, and marks the notifications that did not arrive.

mod event;

use crate::{db, sql::notification as sql};
use anyhow::Context;
use aws_sdk_sqs::{Client, types::Message};
use deadpool_postgres::Pool;
use event::{Event, Outcome};
use platform::{
    aws::{self, Timeouts},
    error::chain,
    metrics::list,
};
use std::time::Duration;

/// The number of messages received at once: the most that SQS allows.
const BATCH: i32 = 10;
/// How long SQS may wait until a message arrives.
const WAIT_SECONDS: i32 = 20;
/// The timeouts of a call to SQS. One attempt may take longer than SQS waits for messages. The
/// client makes one attempt only, because the loop itself tries again.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(2), attempt: Duration::from_secs(25), attempts: 1 };
/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// The number of seconds after which SQS delivers a message again that cannot be processed yet.
const RETRY_SECONDS: i32 = 3;
/// How long an e-mail's id may be unknown: a bounce may arrive before the worker has recorded the
/// id. If the id is still unknown after this time, another system sent the e-mail. Within this
/// time, SQS delivers the message so few times that it does not become a dead letter
/// (infra/data.yaml).
const UNKNOWN_ID_GRACE: Duration = Duration::from_secs(10);

/// Reads the queue `NOTICE_FEEDBACK_QUEUE_URL`.
#[derive(Clone)]
pub(crate) struct Feedback {
    pool: Pool,
    sqs: Client,
    queue_url: String,
}

impl Feedback {
    pub(crate) async fn new(pool: Pool, queue_url: String) -> Self {
        Self { pool, sqs: Client::new(&aws::config(TIMEOUTS).await), queue_url }
    }

    /// Reads the queue for ever.
    pub(crate) async fn run(self) {
        loop {
            if let Err(error) = self.process_batch(WAIT_SECONDS).await {
                tracing::warn!(error = format!("{error:#}"), "e-mail feedback cannot be read now");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// Receives and processes messages once. SQS waits for `wait_seconds` until a message arrives.
    pub(crate) async fn process_batch(&self, wait_seconds: i32) -> anyhow::Result<()> {
        // While Postgres is away, receive nothing. Otherwise messages would become dead letters in
        // the meantime.
        drop(db::connection(&self.pool).await?);
        let receive = self.sqs.receive_message().queue_url(&self.queue_url).max_number_of_messages(BATCH).wait_time_seconds(wait_seconds);
        for message in receive.send().await.context("SQS")?.messages.unwrap_or_default() {
            if self.process(&message).await? {
                let delete = self.sqs.delete_message().queue_url(&self.queue_url).set_receipt_handle(message.receipt_handle);
                delete.send().await.context("SQS")?;
            } else {
                let postpone = self.sqs.change_message_visibility().queue_url(&self.queue_url).set_receipt_handle(message.receipt_handle);
                postpone.visibility_timeout(RETRY_SECONDS).send().await.context("SQS")?;
            }
        }
        Ok(())
    }

    /// Processes a message. Returns whether the message can be deleted. A message that cannot be
    /// read is not deleted, so SQS delivers it again until it is a dead letter.
    async fn process(&self, message: &Message) -> anyhow::Result<bool> {
        let read = Event::read(message.body().unwrap_or_default()).and_then(|event| Ok((event.outcome()?, event)));
        match read {
            Ok((Some(outcome), event)) => Ok(self.mark_notification(event.message_id(), &outcome).await? || event.age() > UNKNOWN_ID_GRACE),
            Ok((None, _)) => Ok(true),
            Err(error) => {
                let message_id = message.message_id().unwrap_or_default();
                tracing::error!(message_id, cause = chain(&error), "message {message_id} about an e-mail cannot be read");
                Ok(false)
            }
        }
    }

    /// Marks the notification that was sent as this e-mail, once. Returns whether there is such a
    /// notification.
    async fn mark_notification(&self, mail_id: &str, outcome: &Outcome) -> anyhow::Result<bool> {
        let (state, from, reason): (_, &[&str], _) = match outcome {
            Outcome::Bounced(reason) => ("BOUNCED", &["SENT"], reason),
            Outcome::Complained(reason) => ("COMPLAINED", &["SENT", "BOUNCED"], reason),
            Outcome::Rejected(reason) => ("FAILED", &["SENT"], reason),
            Outcome::AutoReply(reason) => ("SENT", &["SENT"], reason),
        };
        let client = db::connection(&self.pool).await?;
        let marked = sql::mark_mail(&client, mail_id, state, from, reason).await?;
        let Some(sql::MarkedMail { order_id, kind, is_marked }) = marked else { return Ok(false) };
        if is_marked {
            if state != "SENT" {
                list::NOTIFICATION_FEEDBACK.increment(&[state]);
            }
            tracing::warn!(order_id, kind, state, reason, "{order_id}: {kind}: e-mail {state}: {reason}");
        }
        Ok(true)
    }
}
