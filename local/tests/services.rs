//! Tests of the servers that OrderFlow needs, on free ports: each is provisioned, and can be
//! stopped, killed and frozen without losing its data.

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::{AttributeValue, GlobalSecondaryIndexDescription, KeyType, ProjectionType, TimeToLiveStatus};
use aws_sdk_sqs::{
    config::{BehaviorVersion, Credentials, Region},
    types::QueueAttributeName,
};
use aws_smithy_http_client::Builder;
use local::Stack;
use std::{fs, process::Command, time::Duration};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

macro_rules! client {
    ($sdk:ident, $stack:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .http_client(Builder::new().build_http())
                .endpoint_url($stack.settings().get("AWS_ENDPOINT_URL")?)
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("local", "local", None, None, "test"))
                .build(),
        )
    };
}

/// A stack, and the place of its test: only two run at once, because some servers answer late on a
/// busy machine.
async fn fresh() -> Result<(SemaphorePermit<'static>, Stack)> {
    static PLACES: Semaphore = Semaphore::const_new(2);
    Ok((PLACES.acquire().await?, Stack::fresh(0, &[])?))
}

#[tokio::test]
async fn the_template_becomes_tables_and_queues_as_written() -> Result<()> {
    let (_place, stack) = fresh().await?;
    stack.emulator.start().await?;
    let (dynamodb, sqs) = (client!(aws_sdk_dynamodb, stack), client!(aws_sdk_sqs, stack));

    let orders = dynamodb.describe_table().table_name("orderflow-orders").send().await?.table.context("no orders")?;
    assert_eq!(keys(orders.key_schema()), [("id", KeyType::Hash)]);
    let mut indexes: Vec<_> = orders.global_secondary_indexes().iter().map(index).collect();
    indexes.sort_by_key(|(name, ..)| *name);
    let by = |name, key, projected| (Some(name), vec![(key, KeyType::Hash), ("createdAt", KeyType::Range)], Some(projected));
    let expected = [by("customer-created", "customerID", ProjectionType::All), by("status-created", "status", ProjectionType::KeysOnly)];
    assert_eq!(indexes, expected);

    let products = dynamodb.describe_table().table_name("orderflow-products").send().await?.table.context("no products")?;
    assert_eq!(keys(products.key_schema()), [("productID", KeyType::Hash)]);

    let idempotency = dynamodb.describe_table().table_name("orderflow-idempotency").send().await?.table.context("no idempotency")?;
    assert_eq!(keys(idempotency.key_schema()), [("key", KeyType::Hash)]);
    let expiry = dynamodb.describe_time_to_live().table_name("orderflow-idempotency").send().await?;
    let expiry = expiry.time_to_live_description.context("no time to live")?;
    assert_eq!((expiry.attribute_name(), expiry.time_to_live_status()), (Some("expiresAt"), Some(&TimeToLiveStatus::Enabled)));

    let queue = stack.settings().get("INTAKE_QUEUE_URL")?;
    let intake = sqs.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::All).send().await?;
    let intake = intake.attributes.context("no attributes")?;
    let redrive = &intake[&QueueAttributeName::RedrivePolicy];
    assert!(redrive.contains(":orderflow-intake-dlq\"") && redrive.contains("\"maxReceiveCount\":5"), "{redrive}");
    assert_eq!(intake[&QueueAttributeName::VisibilityTimeout], "60");
    for queue in ["orderflow-intake-dlq", "orderflow-notice-feedback", "orderflow-notice-feedback-dlq"] {
        sqs.get_queue_url().queue_name(queue).send().await?;
    }
    Ok(())
}

fn keys(schema: &[aws_sdk_dynamodb::types::KeySchemaElement]) -> Vec<(&str, KeyType)> {
    schema.iter().map(|key| (key.attribute_name(), key.key_type().clone())).collect()
}

/// The name, the keys and the projection of an index.
fn index(index: &GlobalSecondaryIndexDescription) -> (Option<&str>, Vec<(&str, KeyType)>, Option<ProjectionType>) {
    let projected = index.projection().and_then(|projection| projection.projection_type()).cloned();
    (index.index_name(), keys(index.key_schema()), projected)
}

#[tokio::test]
async fn data_survive_a_restart_of_each_server() -> Result<()> {
    let (_place, stack) = fresh().await?;
    stack.start_services().await?;

    stack.postgres.service().connect().await?.batch_execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)").await?;
    stack.postgres.kill().await?;
    assert!(stack.postgres.service().connect().await.is_err());
    stack.postgres.start().await?;
    let row = stack.postgres.service().connect().await?.query_one("SELECT id FROM kept", &[]).await?;
    assert_eq!(row.get::<_, i32>(0), 7);

    let temporal = stack.temporal.service();
    let start = ["workflow", "start", "--type", "Kept", "--task-queue", "orders", "--workflow-id", "kept"];
    temporal.cli(&start).await?;
    stack.temporal.restart().await?;
    assert!(temporal.cli(&["workflow", "describe", "--workflow-id", "kept"]).await?.contains("Kept"));
    assert!(temporal.cli(&["operator", "namespace", "describe"]).await?.contains("72h"));

    let (dynamodb, sqs) = (client!(aws_sdk_dynamodb, stack), client!(aws_sdk_sqs, stack));
    let queue = stack.settings().get("INTAKE_QUEUE_URL")?;
    let product = AttributeValue::S("PROD-001".to_owned());
    dynamodb.put_item().table_name("orderflow-products").item("productID", product.clone()).send().await?;
    sqs.send_message().queue_url(queue).message_body("kept").send().await?;
    stack.emulator.restart().await?;
    let found = dynamodb.get_item().table_name("orderflow-products").key("productID", product).send().await?;
    assert!(found.item.is_some());
    let received = sqs.receive_message().queue_url(queue).send().await?;
    assert_eq!(received.messages()[0].body(), Some("kept"));
    Ok(())
}

#[tokio::test]
async fn data_of_another_postgres_are_kept() -> Result<()> {
    let (_place, stack) = fresh().await?;
    let postgres = &stack.postgres;
    postgres.start().await?;
    postgres.service().connect().await?.batch_execute("CREATE TABLE kept (id int)").await?;
    postgres.stop().await?;

    let file = postgres.service().folder().join("cluster/PG_VERSION");
    let version = fs::read_to_string(&file)?;
    fs::write(&file, "9\n")?;
    let refusal = postgres.start().await.err().context("it starts")?.to_string();
    assert!(refusal.contains("are of Postgres 9, and") && refusal.contains("POSTGRES_MAJOR=9 make run"), "{refusal}");
    fs::write(&file, version)?;
    postgres.start().await?;
    postgres.service().connect().await?.query("SELECT id FROM kept", &[]).await?;
    Ok(())
}

#[tokio::test]
async fn executions_are_listed_by_what_has_an_index_and_by_what_has_none() -> Result<()> {
    let (_place, stack) = fresh().await?;
    stack.temporal.start().await?;
    let folder = stack.temporal.log().ancestors().nth(2).context("no folder")?;
    let database = rusqlite::Connection::open(folder.join("data/temporal.db"))?;
    let named = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'executions_visibility' AND sql IS NOT NULL ORDER BY 1";
    let indexes: Vec<String> = database.prepare(named)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    assert_eq!(indexes, ["by_status", "by_workflow_id", "by_workflow_type", "default_idx"]);

    let temporal = stack.temporal.service();
    temporal.cli(&["workflow", "start", "--type", "Listed", "--task-queue", "orders", "--workflow-id", "one-of-them"]).await?;
    for query in [
        "WorkflowType = 'Listed'",
        "ExecutionStatus = 'Running'",
        "WorkflowId = 'one-of-them'",
        "TaskQueue = 'orders'",
        "CloseTime IS NULL",
    ] {
        // Temporal lists a workflow a moment after its start.
        timeout(Duration::from_secs(30), async {
            while !temporal.cli(&["workflow", "list", "--query", query]).await?.contains("one-of-them") {}
            anyhow::Ok(())
        })
        .await
        .with_context(|| format!("nothing is listed by {query}"))??;
    }
    Ok(())
}

#[tokio::test]
async fn a_frozen_server_is_silent_until_it_goes_on() -> Result<()> {
    let (_place, stack) = fresh().await?;
    stack.postgres.start().await?;
    let client = stack.postgres.service().connect().await?;
    stack.postgres.pause();
    let answer = timeout(Duration::from_millis(300), client.simple_query("SELECT 1")).await;
    assert!(answer.is_err(), "a frozen Postgres answered");
    stack.postgres.resume();
    client.simple_query("SELECT 1").await?;
    Ok(())
}

#[tokio::test]
async fn nothing_of_a_stack_is_left_behind() -> Result<()> {
    let (_place, stack) = fresh().await?;
    stack.start_services().await?;
    let pids: Vec<u32> = stack.servers().iter().flat_map(|server| server.pids()).collect();
    assert!(pids.len() > 3, "Postgres alone has several processes: {pids:?}");
    let folder = stack.postgres.log().ancestors().nth(2).context("no folder")?.to_path_buf();
    drop(stack);
    assert!(!folder.exists());
    for pid in pids {
        assert!(!running(pid), "{pid} is still there");
    }
    Ok(())
}

fn running(pid: u32) -> bool {
    Command::new("ps").args(["-p", &pid.to_string()]).output().is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_the_end_of_its_log() -> Result<()> {
    let (_place, stack) = fresh().await?;
    stack.postgres.start().await?;
    stack.postgres.stop().await?;
    let cluster = stack.postgres.service().folder().join("cluster");
    fs::write(cluster.join("postgresql.conf"), "no_such_setting = 1")?;
    let error = stack.postgres.start().await.unwrap_err().to_string();
    assert!(error.contains("no_such_setting") && error.contains("postgres.log"), "{error}");
    Ok(())
}
