//! The intake queue takes accepted orders while Temporal is away or busy.

use aws_sdk_sqs::{Client, types::MessageAttributeValue};
use opentelemetry::trace::SpanKind;
use orders::OrderInput;
use platform::{error::BoxError, trace};

/// How long an order that was put back waits for the next attempt, in seconds.
const PUT_BACK_SECONDS: i32 = 10;

#[derive(clap::Args, Clone, Debug)]
#[group(id = "intake-queue")]
pub struct Settings {
    /// URL of the SQS queue that takes accepted orders while Temporal is away or busy.
    #[arg(long, env = "INTAKE_QUEUE_URL")]
    pub intake_queue_url: String,
}

/// SQS did not accept the order, or did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the intake queue cannot be used")]
pub struct Error(#[source] BoxError);

impl Error {
    pub(crate) fn new(error: impl Into<BoxError>) -> Self {
        Self(error.into())
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

    /// Sends an order to `start-queued-orders`.
    ///
    /// # Errors
    /// Fails if SQS does not confirm that it has the order.
    pub async fn send(&self, order: &OrderInput) -> Result<(), Error> {
        self.send_after(order, 0).await
    }

    /// Sends an order to `start-queued-orders` again. It is delivered after `PUT_BACK_SECONDS`.
    ///
    /// # Errors
    /// As for [`Self::send`].
    pub async fn put_back(&self, order: &OrderInput) -> Result<(), Error> {
        self.send_after(order, PUT_BACK_SECONDS).await
    }

    async fn send_after(&self, order: &OrderInput, delay_seconds: i32) -> Result<(), Error> {
        let body = serde_json::to_string(order).map_err(Error::new)?;
        let span = trace::child_span(SpanKind::Producer, "send intake", Some("queue"));
        trace::set_message(span.as_ref(), "aws_sqs", "send", &self.url);
        let send = async {
            let mut message = self.sqs.send_message().queue_url(&self.url).message_body(body).delay_seconds(delay_seconds);
            for (name, value) in trace::headers() {
                let value = MessageAttributeValue::builder().data_type("String").string_value(value);
                message = message.message_attributes(name, value.build().map_err(Error::new)?);
            }
            message.send().await.map(|_| ()).map_err(Error::new)
        };
        trace::run(span, send, |_| Some("queue")).await
    }

    /// Checks that the queue answers.
    ///
    /// # Errors
    /// Fails if it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.sqs.get_queue_attributes().queue_url(&self.url).send().await.map(|_| ()).map_err(Error::new)
    }
}
