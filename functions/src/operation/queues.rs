//! The depths of OrderFlow's SQS queues.

use crate::intake::intake_queue;
use aws_sdk_sqs::{
    Client,
    types::QueueAttributeName::{
        self, ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible, RedrivePolicy,
    },
};
use futures::future::join_all;
use platform::error::chain;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};
use tokio::time::timeout;

/// The time limit for the answer about a queue. A page waits for it.
const READ_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(clap::Args, Clone, Debug)]
#[group(id = "feedback-queue")]
pub struct FeedbackQueue {
    /// URL of the SQS queue that receives SES's bounces and complaints. If it is not set, there is
    /// no such queue.
    #[arg(long, env = "NOTICE_FEEDBACK_QUEUE_URL")]
    pub notice_feedback_queue_url: Option<String>,
}

/// The queues. The redrive policy of each queue names its dead-letter queue.
pub struct Queues {
    sqs: Client,
    /// The name of each queue in the API, and its URL.
    queues: Vec<(&'static str, String)>,
}

/// Messages in a queue, by SQS's approximate count. A count that did not come in time is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = QueueDepth))]
#[serde(rename_all = "camelCase")]
pub struct Depth {
    /// `intake`: orders that wait for Temporal. `notice-feedback`: SES's bounces and complaints.
    pub name: &'static str,
    /// Not received yet, the delayed ones included.
    #[cfg_attr(test, schema(required))]
    pub waiting: Option<u64>,
    /// Received and not deleted.
    #[cfg_attr(test, schema(required))]
    pub in_flight: Option<u64>,
    /// In the dead-letter queue.
    #[cfg_attr(test, schema(required))]
    pub dead: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Redrive {
    dead_letter_target_arn: String,
}

type Attributes = HashMap<QueueAttributeName, String>;

impl Queues {
    #[must_use]
    pub fn new(sqs: Client, intake: &intake_queue::Settings, feedback: &FeedbackQueue) -> Self {
        let queues = [("intake", Some(&intake.intake_queue_url)), ("notice-feedback", feedback.notice_feedback_queue_url.as_ref())];
        Self { sqs, queues: queues.into_iter().filter_map(|(name, url)| Some((name, url?.clone()))).collect() }
    }

    /// The depth of every queue. The depth of a queue that does not answer is not known, and the
    /// log says why.
    pub async fn depths(&self) -> Vec<Depth> {
        join_all(self.queues.iter().map(|(name, url)| self.depth(name, url))).await
    }

    async fn depth(&self, name: &'static str, url: &str) -> Depth {
        let attributes = self.attributes(name, url).await;
        let dead = match attributes.as_ref().and_then(dead_letter_queue) {
            Some(dead) => self.attributes(name, &sibling_url(url, &dead)).await,
            None => None,
        };
        let waiting = |attributes: &Attributes| {
            Some(count(attributes, &ApproximateNumberOfMessages)? + count(attributes, &ApproximateNumberOfMessagesDelayed)?)
        };
        Depth {
            name,
            waiting: attributes.as_ref().and_then(waiting),
            in_flight: attributes.as_ref().and_then(|attributes| count(attributes, &ApproximateNumberOfMessagesNotVisible)),
            dead: dead.as_ref().and_then(waiting),
        }
    }

    async fn attributes(&self, name: &str, url: &str) -> Option<Attributes> {
        let wanted =
            [ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible, RedrivePolicy];
        let request = self.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(wanted.into())).send();
        let cause = match timeout(READ_TIMEOUT, request).await {
            Ok(Ok(answer)) => return answer.attributes,
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("no answer within {} ms", READ_TIMEOUT.as_millis()),
        };
        tracing::warn!(queue = name, url, cause, "the depth of {name} is not known: {cause}");
        None
    }
}

fn count(attributes: &Attributes, name: &QueueAttributeName) -> Option<u64> {
    attributes.get(name)?.parse().ok()
}

/// The name of the dead-letter queue. `None` if the queue has none.
fn dead_letter_queue(attributes: &Attributes) -> Option<String> {
    let policy: Redrive = serde_json::from_str(attributes.get(&RedrivePolicy)?).ok()?;
    Some(policy.dead_letter_target_arn.rsplit(':').next()?.to_owned())
}

/// The URL of another queue of the same account and region.
fn sibling_url(url: &str, name: &str) -> String {
    url.rsplit_once('/').map_or_else(|| name.to_owned(), |(place, _)| format!("{place}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_letter_queue_is_the_one_of_the_redrive_policy() {
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:shop-intake-dlq","maxReceiveCount":5}"#;
        let attributes = Attributes::from([(RedrivePolicy, policy.to_owned()), (ApproximateNumberOfMessages, "7".to_owned())]);
        let dead = dead_letter_queue(&attributes).unwrap();
        assert_eq!(
            sibling_url("https://sqs.eu-west-1.amazonaws.com/123456789012/shop-intake", &dead),
            "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-intake-dlq"
        );
        assert_eq!(
            (count(&attributes, &ApproximateNumberOfMessages), count(&attributes, &ApproximateNumberOfMessagesDelayed)),
            (Some(7), None)
        );
        assert_eq!(dead_letter_queue(&Attributes::new()), None);
    }
}
