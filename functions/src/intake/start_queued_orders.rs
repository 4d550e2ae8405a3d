//! Starts the workflows of the orders in the intake queue. An order is in the queue if Temporal was
//! away or busy when the order was accepted.
//!
//! Each message is handled separately. Failed messages are reported and are delivered again; the
//! others are deleted. If Temporal is away or busy, the order is put back as a new message.
//! Otherwise, a long outage of Temporal would use up the deliveries of the message, and the message
//! would end in the dead-letter queue. Only messages that fail every time end there, such as a
//! message that is not an order.

use crate::{
    intake::intake_queue::{self, IntakeQueue},
    workflows::{self, Workflows},
};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::join_all;
use orders::OrderInput;
use platform::{error::chain, trace};

/// Why a message failed. It never contains the message, because the message contains the customer's
/// contact.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("it is not an order: {:?} error at column {}", .0.classify(), .0.column())]
    NotAnOrder(#[from] serde_json::Error),
    #[error(transparent)]
    Refused(workflows::Error),
    #[error(transparent)]
    NotPutBack(#[from] intake_queue::Error),
}

/// Starts the workflow of each message's order. Returns the messages that must be delivered again.
pub async fn start_queued_orders(workflows: &Workflows, intake_queue: &IntakeQueue, event: SqsEvent) -> SqsBatchResponse {
    let results = join_all(event.records.iter().map(|message| start(workflows, intake_queue, message))).await;
    let mut response = SqsBatchResponse::default();
    for (message, result) in event.records.iter().zip(results) {
        if let Err(error) = result {
            let message_id = message.message_id.clone().unwrap_or_default();
            tracing::error!(message_id, cause = chain(&error), "message {message_id} of the intake queue failed");
            response.add_failure(message_id);
        }
    }
    response
}

async fn start(workflows: &Workflows, intake_queue: &IntakeQueue, message: &SqsMessage) -> Result<(), Error> {
    let order: OrderInput = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
    let header = |name: &str| message.message_attributes.get(name)?.string_value.as_deref();
    let span = trace::consumer_span("process intake", "queue", header);
    trace::set_message(span.as_ref(), "aws_sqs", "process", &intake_queue.url);
    trace::run(span, hand_over(workflows, intake_queue, order), |_| Some("intake")).await
}

async fn hand_over(workflows: &Workflows, intake_queue: &IntakeQueue, order: OrderInput) -> Result<(), Error> {
    let order_id = order.id;
    match workflows.start_order(order.clone()).await {
        Ok(()) => tracing::info!(%order_id, "order {order_id} left the intake queue"),
        Err(refused) if refused.is_final() => return Err(Error::Refused(refused)),
        Err(away) => {
            intake_queue.put_back(&order).await?;
            tracing::warn!(%order_id, cause = chain(&away), "order {order_id} is put back into the intake queue");
        }
    }
    Ok(())
}
