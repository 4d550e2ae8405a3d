//! The output of `sam build`, deployed to the AWS emulator. The functions run there as Lambda runs
//! them, behind their event sources and with only the rights of their roles.
//!
//! `make verify-aws` builds and runs these tests; they are not part of `make test`.

mod deployment;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use deployment::Deployment;
use local::Stack;
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::time::sleep;

const PAUSE: Duration = Duration::from_millis(100);
/// How long an order may take on a loaded machine.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The order of tests/events.
const ORDER: &str = "ord_01930000000070008000000000000042";

#[tokio::test(flavor = "multi_thread")]
async fn the_built_functions_process_orders() -> Result<()> {
    let stack = Stack::fresh(1, &[])?;
    stack.start_services().await?;
    stack.migrate().await?;
    stack.workers[0].start().await?;
    let deployed = Deployment::new(&stack).await?;

    each_function_answers_its_event(&deployed).await?;
    the_queue_reaches_its_function(&deployed).await?;
    orders_are_accepted_while_temporal_is_away(&deployed, &stack).await?;
    stack.stop().await
}

/// An event of tests/events; `sam local invoke` uses the same files.
fn event(function: &str) -> Result<Value> {
    let file = local::project().join("tests/events").join(function).with_extension("json");
    Ok(serde_json::from_str(&fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?)?)
}

async fn each_function_answers_its_event(deployed: &Deployment) -> Result<()> {
    let answer = deployed.invoke("start-queued-orders", &event("start-queued-orders")?).await?;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    let order = deployed.completed(ORDER).await?;
    assert_eq!((&order["customerID"], &order["items"][0]["productID"]), (&json!("CUST-001"), &json!("PROD-001")), "{order}");

    let (status, accepted) = deployed.request("create-order", &event("create-order")?).await?;
    assert_eq!((status, &accepted["status"]), (202, &json!("PENDING")), "{accepted}");
    deployed.completed(accepted["id"].as_str().context("no id")?).await?;

    let (status, listed) = deployed.request("list-orders", &event("list-orders")?).await?;
    assert_eq!((status, listed["items"].as_array().map(Vec::len)), (200, Some(2)), "{listed}");
    // The event's caller is a customer.
    let (status, problem) = deployed.request("get-order-trace", &event("get-order-trace")?).await?;
    assert_eq!((status, &problem["type"]), (403, &json!("/problems/staff-only")), "{problem}");
    let (status, problem) = deployed.request("cancel-order", &event("cancel-order")?).await?;
    assert_eq!(status, 409, "{problem}");
    for decision in ["amend-order", "review-order"] {
        let (status, problem) = deployed.request(decision, &event(decision)?).await?;
        assert_eq!((status, &problem["type"]), (409, &json!("/problems/not-waiting")), "{decision}: {problem}");
    }
    let (status, refund) = deployed.request("create-refund", &event("create-refund")?).await?;
    assert_eq!((status, &refund["orderID"]), (202, &json!(ORDER)), "{refund}");
    let (status, problem) = deployed.request("carrier-webhook", &event("carrier-webhook")?).await?;
    assert_eq!((status, &problem["detail"]), (404, &json!("This webhook is not configured.")), "{problem}");
    let (status, problem) = deployed.request("stripe-webhook", &event("stripe-webhook")?).await?;
    assert_eq!((status, &problem["detail"]), (404, &json!("This webhook is not configured.")), "{problem}");
    let (status, received) = deployed.request("scan-shipment", &event("scan-shipment")?).await?;
    assert_eq!((status, &received), (200, &json!({ "received": true })), "{received}");
    let (status, restocked) = deployed.request("restock-product", &event("restock-product")?).await?;
    assert_eq!((status, &restocked["productID"], &restocked["inStock"]), (200, &json!("PROD-001"), &json!(true)), "{restocked}");
    let (status, overview) = deployed.request("get-operations", &event("get-operations")?).await?;
    let depths: Vec<&Value> =
        overview["queues"].as_array().into_iter().flatten().flat_map(|queue| [&queue["waiting"], &queue["dead"]]).collect();
    ensure!(status == 200 && depths.len() == 4 && depths.iter().all(|depth| depth.is_u64()), "{status} {overview}");
    ensure!(overview["workflows"]["polled"] == true, "{overview}");
    let (status, history) = deployed.request("get-operations-history", &event("get-operations-history")?).await?;
    assert_eq!((status, &history["bucketSeconds"]), (200, &json!(900)), "{history}");
    let (status, products) = deployed.request("list-products", &event("list-products")?).await?;
    ensure!(status == 200 && products["items"].as_array().is_some_and(|items| items.len() >= 100), "{status} {products}");
    let (status, health) = deployed.request("health", &event("health")?).await?;
    assert_eq!((status, &health["status"]), (200, &json!("ok")), "{health}");
    Ok(())
}

/// An order in the queue is started. A message that is not an order ends in the dead-letter queue
/// and delays nothing.
async fn the_queue_reaches_its_function(deployed: &Deployment) -> Result<()> {
    let (sqs, intake) = (&deployed.sqs, &deployed.intake_queue);
    // A failed message becomes visible again after a second instead of a minute.
    sqs.set_queue_attributes().queue_url(intake).attributes(QueueAttributeName::VisibilityTimeout, "1").send().await?;
    let id = "ord_01930000000070008000000000000043";
    let order = event("start-queued-orders")?["Records"][0]["body"].as_str().context("no body")?.replace(ORDER, id);
    for body in ["this is no order", &order] {
        sqs.send_message().queue_url(intake).message_body(body).send().await?;
    }
    deployed.completed(id).await?;
    let dead = until("the message is in the dead-letter queue", async || {
        let received = sqs.receive_message().queue_url(format!("{intake}-dlq")).send().await?;
        Ok(received.messages.unwrap_or_default().into_iter().next())
    });
    assert_eq!(dead.await?.body(), Some("this is no order"));
    Ok(())
}

async fn orders_are_accepted_while_temporal_is_away(deployed: &Deployment, stack: &Stack) -> Result<()> {
    stack.temporal.stop().await?;
    let (status, accepted) = deployed.request("create-order", &event("create-order")?).await?;
    assert_eq!(status, 202, "{accepted}");
    stack.temporal.start().await?;
    deployed.completed(accepted["id"].as_str().context("no id")?).await?;
    Ok(())
}

/// Calls `ask` until it returns something, for at most [`TIMEOUT`].
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        ensure!(Instant::now() < deadline, "not within {} s: {what}", TIMEOUT.as_secs());
        sleep(PAUSE).await;
    }
}
