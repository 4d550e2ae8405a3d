//! Wake-ups of the worker on demand, which runs as a Lambda function. A wake-up is a message in an
//! SQS FIFO queue that starts the function.
//!
//! All messages have one group. So Lambda runs the function once at a time, and what arrives during
//! a run waits for its end: it is neither lost nor does it start a second worker.

use crate::error::{BoxError, chain};
use aws_sdk_sqs::Client;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// The content of a wake-up that says that there is a task in Temporal. The schedule's messages
/// have other content.
pub const TASK: &str = "task";
/// The content of a wake-up that says that an invocation was cut off in the middle of its work.
pub const REST: &str = "rest";
/// The group of all messages.
const GROUP: &str = "worker";
/// The time limit for sending a wake-up. A client of the API waits for it.
const TIME_LIMIT: Duration = Duration::from_secs(1);

#[derive(clap::Args, Clone, Debug)]
#[group(id = "wakeup")]
pub struct Settings {
    /// URL of the SQS FIFO queue whose messages start the worker on demand. Without it, workers run
    /// all the time.
    #[arg(long, env = "WORKER_WAKEUP_QUEUE_URL")]
    pub worker_wakeup_queue_url: Option<String>,
}

/// Wakes the worker on demand.
#[derive(Clone, Debug)]
pub struct Wakeup {
    sqs: Client,
    queue_url: String,
}

impl Wakeup {
    #[must_use]
    pub fn new(sqs: Client, queue_url: String) -> Self {
        Self { sqs, queue_url }
    }

    /// Wakes the worker. `content` is [`TASK`] or [`REST`]. If the wake-up cannot be sent within a
    /// second, this is only logged: the schedule wakes the worker soon.
    pub async fn send(&self, content: &str) {
        let message = self.sqs.send_message().queue_url(&self.queue_url).message_body(content).message_group_id(GROUP);
        let message = message.message_deduplication_id(Uuid::now_v7().to_string());
        let cause = match timeout(TIME_LIMIT, message.send()).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => chain(&*BoxError::from(error)),
            Err(_) => format!("no answer within {} s", TIME_LIMIT.as_secs()),
        };
        tracing::warn!(cause, "the worker cannot be woken now; its schedule will");
    }
}
