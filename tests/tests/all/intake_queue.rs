//! The intake queue in local mode. A message that can never start an order ends in the dead-letter
//! queue and delays no other message. An order that waits in the queue can be cancelled.

use crate::support::{Draft, FAST, Function, text, until, with_own_stack, with_shared_stack};
use anyhow::{Context as _, bail};
use aws_sdk_sqs::Client;
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;
use tokio::{time::sleep, try_join};

/// Enough for five attempts with pauses between them.
const LIMIT: Duration = Duration::from_secs(90);

#[test]
fn a_message_that_is_not_an_order_ends_in_the_dead_letter_queue() {
    with_shared_stack(async |shop| {
        let (sqs, intake) = (Client::new(&shop.aws()?), shop.stack.settings().get("INTAKE_QUEUE_URL")?);
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

/// A stopping process must receive no more messages. A message that is queued after the stop is
/// then available to the next process at once, and not only after the visibility timeout of a
/// minute.
#[test]
fn a_stopping_api_keeps_no_queued_messages() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 10).await?;
        let apart = [("TEMPORAL_HOST_PORT".to_owned(), "127.0.0.1:9".to_owned())];
        let mut create = Function::start_with(shop, "create-order", &apart).await?;
        shop.stack.api.stop().await?;
        let draft = Draft::new("CUST-between").line(&product, 1).body().to_string();
        let (status, order) = create.request("POST", "/api/orders", Some(&draft)).await?;
        assert_eq!((status, &order["queued"]), (202, &json!(true)), "{order}");
        shop.stack.api.start().await?;
        shop.ends(text(&order, "/id")?, "COMPLETED").await?;
        Ok(())
    });
}

/// Orders wait in a queue that nobody reads, until the test moves them. On a busy machine, an order
/// may take longer to start than a cancellation waits, so the test tries up to five orders.
#[test]
fn cancel_of_a_queued_order_succeeds_once_it_has_started() {
    with_shared_stack(async |shop| {
        let (sqs, intake) = (Client::new(&shop.aws()?), shop.stack.settings().get("INTAKE_QUEUE_URL")?);
        let unread = sqs.create_queue().queue_name(shop.unique("unread")).send().await?.queue_url.context("no URL")?;
        let apart = [("TEMPORAL_HOST_PORT", "127.0.0.1:9"), ("INTAKE_QUEUE_URL", &unread)].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let mut create = Function::start_with(shop, "create-order", &apart).await?;
        let draft = Draft::new("CUST-in-queue").line(&shop.product(1_000, 10).await?, 1).payment_method("tok_down");
        for _ in 0..5 {
            let (status, order) = create.request("POST", "/api/orders", Some(&draft.body().to_string())).await?;
            assert_eq!((status, &order["queued"]), (202, &json!(true)), "{order}");
            let id = text(&order, "/id")?;
            let received = sqs.receive_message().queue_url(&unread).send().await?.messages.unwrap_or_default();
            let message = received[0].body().context("no body")?;
            sqs.delete_message().queue_url(&unread).receipt_handle(received[0].receipt_handle().unwrap_or_default()).send().await?;
            let moved = async {
                sleep(Duration::from_millis(300)).await;
                sqs.send_message().queue_url(intake).message_body(message).send().await?;
                Ok(())
            };
            let ((status, _), ()) = try_join!(shop.cancel(id), moved)?;
            if status == StatusCode::ACCEPTED {
                shop.ends(id, "CANCELLED").await?;
                return Ok(());
            }
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        }
        bail!("five cancellations were turned away")
    });
}
