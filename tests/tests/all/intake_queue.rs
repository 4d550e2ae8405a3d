//! The intake queue in local mode: what can never be started ends in the dead-letter queue, and holds up nothing.

use crate::support::{Draft, shared, until};
use anyhow::Context as _;
use aws_sdk_sqs::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
};
use aws_smithy_http_client::Builder;
use std::time::Duration;

/// Five tries with pauses between them.
const LIMIT: Duration = Duration::from_secs(90);

#[test]
fn a_message_that_is_no_order_ends_in_the_dead_letter_queue() {
    shared(async |shop| {
        let settings = shop.stack.settings();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .endpoint_url(settings.get("AWS_ENDPOINT_URL")?)
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"));
        let (sqs, intake) = (Client::from_conf(config.build()), settings.get("INTAKE_QUEUE_URL")?);
        let garbage = "this is no order";
        sqs.send_message().queue_url(intake).message_body(garbage).send().await?;
        let dead = until("the message is in the dead-letter queue", LIMIT, async || {
            let received = sqs.receive_message().queue_url(format!("{intake}-dlq")).wait_time_seconds(1).send().await?;
            Ok(received.messages.unwrap_or_default().into_iter().next())
        })
        .await?;
        assert_eq!(dead.body().context("no body")?, garbage);
        let product = shop.product(1_000, 1).await?;
        shop.ends(&shop.place(&Draft::new("CUST-after-garbage").line(&product, 1)).await?, "COMPLETED").await?;
        Ok(())
    });
}
