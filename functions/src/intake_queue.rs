//! The intake queue: takes accepted orders while Temporal is away or has its hands full.

use aws_sdk_sqs::{Client, error::DisplayErrorContext};
use orders::OrderInput;

/// How long an order that was put back rests.
const PUT_BACK_SECONDS: i32 = 10;

#[derive(clap::Args, Clone, Debug)]
#[group(id = "intake-queue")]
pub struct Settings {
    /// URL of the SQS queue that takes orders while Temporal is away or has its hands full.
    #[arg(long, env = "INTAKE_QUEUE_URL")]
    pub intake_queue_url: String,
}

/// The queue did not take the order, or did not answer.
#[derive(Debug, thiserror::Error)]
#[error("intake queue: {0}")]
pub struct Error(String);

impl Error {
    pub(crate) fn new(error: impl std::error::Error) -> Self {
        Self(DisplayErrorContext(error).to_string())
    }
}

#[derive(Clone, Debug)]
pub struct IntakeQueue {
    pub(crate) sqs: Client,
    pub(crate) url: String,
}

impl IntakeQueue {
    #[must_use]
    pub fn new(sqs: Client, settings: Settings) -> Self {
        Self { sqs, url: settings.intake_queue_url }
    }

    /// Leaves an order for `start-queued-orders`.
    ///
    /// # Errors
    /// When SQS does not confirm that it has it.
    pub async fn send(&self, order: &OrderInput) -> Result<(), Error> {
        self.send_after(order, 0).await
    }

    /// Leaves an order for `start-queued-orders` to try again in [`PUT_BACK_SECONDS`].
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn put_back(&self, order: &OrderInput) -> Result<(), Error> {
        self.send_after(order, PUT_BACK_SECONDS).await
    }

    async fn send_after(&self, order: &OrderInput, delay_seconds: i32) -> Result<(), Error> {
        let body = serde_json::to_string(order).map_err(|error| Error(error.to_string()))?;
        let message = self.sqs.send_message().queue_url(&self.url).message_body(body).delay_seconds(delay_seconds);
        message.send().await.map(|_| ()).map_err(Error::new)
    }

    /// Asks the queue for a sign of life.
    ///
    /// # Errors
    /// When there is none.
    pub async fn ping(&self) -> Result<(), Error> {
        self.sqs.get_queue_attributes().queue_url(&self.url).send().await.map(|_| ()).map_err(Error::new)
    }
}
