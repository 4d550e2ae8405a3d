//! The intake queue and the dead-letter queues, which the suite reads and changes through SQS.

use crate::support::Shop;
use anyhow::{Context as _, Result};
use aws_sdk_sqs::{Client, types::QueueAttributeName};

/// The largest batch that SQS returns.
const BATCH: i32 = 10;

pub(super) struct Queue {
    sqs: Client,
    intake: String,
    /// The queue of SES's reports about mails.
    feedback: String,
}

impl Queue {
    pub(super) fn new(shop: &Shop) -> Result<Self> {
        let settings = shop.stack.settings();
        Ok(Self {
            sqs: Client::new(&shop.aws()?),
            intake: settings.get("INTAKE_QUEUE_URL")?.to_owned(),
            feedback: settings.get("NOTICE_FEEDBACK_QUEUE_URL")?.to_owned(),
        })
    }

    /// Messages that wait, are delayed, or are in flight.
    pub(super) async fn waiting(&self) -> Result<u32> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let asked = self.sqs.get_queue_attributes().queue_url(&self.intake).set_attribute_names(Some(counts.to_vec()));
        let attributes = asked.send().await?.attributes.unwrap_or_default();
        let mut sum = 0;
        for count in counts {
            sum += attributes.get(&count).with_context(|| format!("no {count}"))?.parse::<u32>()?;
        }
        Ok(sum)
    }

    pub(super) async fn send(&self, body: &str) -> Result<()> {
        self.sqs.send_message().queue_url(&self.intake).message_body(body).send().await?;
        Ok(())
    }

    /// Adds two copies of each of some waiting messages. Returns how many messages were copied.
    pub(super) async fn duplicate(&self) -> Result<usize> {
        // The originals stay in the queue and become visible again after a second.
        let receive = self.sqs.receive_message().queue_url(&self.intake).max_number_of_messages(BATCH).visibility_timeout(1);
        let messages = receive.send().await?.messages.unwrap_or_default();
        for body in messages.iter().filter_map(|message| message.body()) {
            self.send(body).await?;
            self.send(body).await?;
        }
        Ok(messages.len())
    }

    /// Removes all messages from the dead-letter queues. Returns their bodies.
    pub(super) async fn take_dead_letters(&self) -> Result<Vec<String>> {
        let mut bodies = Vec::new();
        for queue in [&self.intake, &self.feedback].map(|queue| format!("{queue}-dlq")) {
            loop {
                let receive = self.sqs.receive_message().queue_url(&queue).max_number_of_messages(BATCH);
                let messages = receive.send().await?.messages.unwrap_or_default();
                if messages.is_empty() {
                    break;
                }
                for message in messages {
                    self.sqs.delete_message().queue_url(&queue).set_receipt_handle(message.receipt_handle).send().await?;
                    bodies.extend(message.body);
                }
            }
        }
        Ok(bodies)
    }
}
