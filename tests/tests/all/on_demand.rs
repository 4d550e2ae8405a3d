//! The worker on demand: a Lambda function that works while there is something to do.
//!
//! The tests take the place of Lambda: they receive the wake-ups from the queue, pass them to the
//! function, and delete them afterwards.

mod measure;

use crate::{
    histories::connect,
    support::{Collector, Draft, FAST, Function, Product, Shop, block_on, with_own_stack},
};
use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::{
    Client as Sqs,
    types::{Message, MessageSystemAttributeName},
};
use axum::{Router, extract::State, routing::put};
use orders::workflow::OrderWorkflowType;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use temporalio_client::{NamespacedClient as _, tonic::Request};
use temporalio_common::protos::temporal::api::workflowservice::v1::SetWorkerDeploymentCurrentVersionRequest;
use tokio::{net::TcpListener, time::sleep};

/// The value of env.example. A stack puts its own emulator into it.
const QUEUE: &str = "http://127.0.0.1:4566/000000000000/orderflow-worker-wakeup.fifo";
const ON_DEMAND: [(&str, &str); 3] = [("WORKER_WAKEUP_QUEUE_URL", QUEUE), ("WORKER_IDLE_S", "1"), ("WORKER_DRAIN_S", "2")];
/// The time limit of the function, as in infra/worker-on-demand.yaml.
const LIMIT: Duration = Duration::from_secs(120);
/// The name under which the function publishes metrics.
const STACK: &str = "test";
/// A line of the log for each time that the worker begins to receive tasks.
const RECEIVES: &str = "receiving tasks from Temporal";

fn settings(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&FAST[..], &ON_DEMAND, more].concat()
}

/// The function and its queue.
struct OnDemand<'a> {
    shop: &'a Shop,
    function: Function,
    sqs: Sqs,
    queue: String,
}

impl<'a> OnDemand<'a> {
    async fn start(shop: &'a Shop) -> Result<Self> {
        Self::start_with(shop, LIMIT).await
    }

    async fn start_with(shop: &'a Shop, limit: Duration) -> Result<Self> {
        let function = Function::start_program(shop, "worker", &["on-demand", "run"], &[], limit).await?;
        let queue = shop.stack.settings().get("WORKER_WAKEUP_QUEUE_URL")?.to_owned();
        Ok(Self { shop, function, sqs: Sqs::new(&shop.aws()?), queue })
    }

    /// Receives the wake-ups that Lambda would pass to the next invocation.
    async fn receive(&self) -> Result<Vec<Message>> {
        let receive = self.sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        Ok(receive.send().await?.messages.unwrap_or_default())
    }

    /// Passes the waiting wake-ups to the function, as one invocation. Returns their number, and how
    /// long the invocation took.
    async fn serve(&mut self) -> Result<(usize, Duration)> {
        let messages = self.receive().await?;
        if messages.is_empty() {
            return Ok((0, Duration::ZERO));
        }
        let record = |message: &Message| {
            let sent = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp)).context("no time")?;
            anyhow::Ok(json!({ "messageId": message.message_id(), "body": message.body(), "attributes": { "SentTimestamp": sent } }))
        };
        let records: Vec<Value> = messages.iter().map(record).collect::<Result<_>>()?;
        let took = self.invoke(&json!({ "Records": records })).await?;
        for message in &messages {
            let delete = self.sqs.delete_message().queue_url(&self.queue);
            delete.set_receipt_handle(message.receipt_handle.clone()).send().await?;
        }
        Ok((messages.len(), took))
    }

    /// Serves wake-ups until there is none. Returns the number of invocations.
    async fn serve_all(&mut self) -> Result<usize> {
        let mut invocations = 0;
        while self.serve().await?.0 > 0 {
            invocations += 1;
        }
        Ok(invocations)
    }

    /// An invocation by the schedule. Returns how long it took.
    async fn serve_schedule(&mut self) -> Result<Duration> {
        let event = json!({ "version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} });
        let attributes = json!({ "SentTimestamp": "0" });
        self.invoke(&json!({ "Records": [{ "body": event.to_string(), "attributes": attributes }] })).await
    }

    async fn invoke(&mut self, event: &Value) -> Result<Duration> {
        let begun = Instant::now();
        self.function.invoke(event).await.with_context(|| self.shop.log(self.function.log()))?;
        Ok(begun.elapsed())
    }

    /// The sum of a metric over all its publications for CloudWatch.
    fn published(&self, name: &str) -> u64 {
        let log = self.shop.log(self.function.log());
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["Stack"] == STACK).filter_map(|line| line[name].as_u64()).sum()
    }

    /// How often the worker has begun to receive tasks.
    fn runs(&self) -> usize {
        self.shop.log(self.function.log()).matches(RECEIVES).count()
    }
}

async fn place(shop: &Shop, product: &Product) -> Result<String> {
    shop.place(&Draft::new(&shop.unique("CUST-on-demand")).line(product, 1)).await
}

async fn status(shop: &Shop, id: &str) -> Result<String> {
    Ok(shop.order(id).await?["status"].as_str().context("no status")?.to_owned())
}

/// Checks that Temporal gave no task of the order to a worker that no longer runs: to one that has
/// the workflow in its cache, or to one that left a poll open. Such a task times out after 10 s.
async fn no_task_timed_out(shop: &Shop, id: &str) -> Result<()> {
    let handle = connect(shop).await?.get_workflow_handle::<OrderWorkflowType>(id);
    let history = String::from_utf8(handle.fetch_history(Default::default()).to_json().await?)?;
    ensure!(!history.contains("WorkflowTaskTimedOut"), "a task of {id} has timed out: {history}");
    Ok(())
}

#[test]
fn an_order_is_processed_by_the_worker_that_it_wakes() {
    with_own_stack(0, &settings(&[("METRICS_STACK", STACK)]), async |shop| {
        let (product, mut worker) = (shop.product(1_000, 100).await?, OnDemand::start(shop).await?);
        let first = place(shop, &product).await?;
        ensure!(status(shop, &first).await? == "PENDING", "a worker runs");
        ensure!(worker.serve().await?.0 == 1, "the order has not woken the worker");
        shop.ends(&first, "COMPLETED").await?;

        // Nothing is left that takes tasks: a poll would take the next order, and lose it.
        let second = place(shop, &product).await?;
        sleep(Duration::from_secs(2)).await;
        ensure!(status(shop, &second).await? == "PENDING", "a poll is open");
        ensure!(worker.serve().await?.0 == 1, "the order has not woken the worker");
        shop.ends(&second, "COMPLETED").await?;
        no_task_timed_out(shop, &first).await?;
        no_task_timed_out(shop, &second).await?;
        // Each order is published by its own invocation: Lambda may end the process afterwards.
        let completed = worker.published("OrdersCompleted");
        ensure!(completed == 2, "{completed} completed orders are published: {}", shop.log(worker.function.log()));

        // Everything that the loops do was done, too.
        let row = shop.db().await?.query_one("SELECT count(*) FROM orders WHERE projected_version < version", &[]).await?;
        ensure!(row.get::<_, i64>(0) == 0, "the read model lags behind");
        shop.audit_is_clean().await
    });
}

/// Lambda freezes the process after the invocation. So no span may wait until then.
#[test]
fn spans_are_sent_before_the_invocation_ends() {
    let collector = block_on(Collector::start()).expect("a collector");
    let traces = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_TRACES_SAMPLER_ARG", "1"),
        // The spans are not sent for another reason meanwhile.
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
    ];
    with_own_stack(0, &[&settings(&[])[..], &traces].concat(), async |shop| {
        let (product, mut worker) = (shop.product(1_000, 100).await?, OnDemand::start(shop).await?);
        let order = place(shop, &product).await?;
        worker.serve_all().await?;
        let spans = collector.spans();
        for name in ["RunWorkflow:OrderWorkflow", "RunActivity:ProcessPayment", "gateway capture", "project order"] {
            let is_sent = spans.iter().any(|span| span.name == name && span.attribute("order.id").as_ref() == Some(&order));
            ensure!(is_sent, "{name} of {order} is missing: {spans:?}");
        }
        shop.ends(&order, "COMPLETED").await?;
        Ok(())
    });
}

#[test]
fn a_waiting_order_goes_on_at_once_although_its_worker_is_frozen() {
    with_own_stack(0, &settings(&[("DECISION_TIMEOUT_S", "3600")]), async |shop| {
        let mut worker = OnDemand::start(shop).await?;
        let (scarce, product) = (shop.product(1_000, 1).await?, shop.product(1_000, 10).await?);
        let order = shop.place(&Draft::new("CUST-on-demand").line(&scarce, 2).line(&product, 1)).await?;
        worker.serve_all().await?;
        ensure!(status(shop, &order).await? == "ACTION_REQUIRED");
        // The worker has had the workflow in its cache, so Temporal may offer it the next task.
        shop.cancel(&order).await?;
        ensure!(worker.serve().await?.0 == 1, "the request has not woken the worker");
        shop.ends(&order, "CANCELLED").await?;
        no_task_timed_out(shop, &order).await?;
        shop.audit_is_clean().await
    });
}

#[test]
fn several_wake_ups_need_one_run() {
    with_own_stack(0, &settings(&[]), async |shop| {
        let (product, mut worker) = (shop.product(1_000, 100).await?, OnDemand::start(shop).await?);
        let mut orders = vec![place(shop, &product).await?, place(shop, &product).await?];
        ensure!(worker.serve().await?.0 == 2, "two wake-ups are one invocation");
        ensure!(worker.runs() == 1, "{} runs", worker.runs());

        // Twelve orders are more than an invocation gets wake-ups. One run processes all of them.
        for _ in 0..12 {
            orders.push(place(shop, &product).await?);
        }
        let invocations = worker.serve_all().await?;
        ensure!(invocations == 2 && worker.runs() == 2, "{invocations} invocations, {} runs", worker.runs());
        for order in &orders {
            shop.ends(order, "COMPLETED").await?;
        }
        shop.audit_is_clean().await
    });
}

/// The orders come at different times around the end of a run.
#[test]
fn an_order_at_the_end_of_a_run_does_not_wait_for_the_schedule() {
    with_own_stack(0, &settings(&[]), async |shop| {
        let (product, mut worker) = (shop.product(1_000, 100).await?, OnDemand::start(shop).await?);
        place(shop, &product).await?;
        let (_, took) = worker.serve().await?;
        let mut orders = Vec::new();
        for step in 0..8_u32 {
            place(shop, &product).await?;
            let moment = took.mul_f32(0.6) + step * took.mul_f32(0.07);
            let late = async {
                sleep(moment).await;
                place(shop, &product).await
            };
            let (served, late) = tokio::join!(worker.serve(), late);
            served?;
            orders.push(late?);
            worker.serve_all().await?;
        }
        // On a slow machine, the emulator may not take a wake-up within a second.
        if shop.log(shop.stack.api.log()).contains("the worker cannot be woken now") {
            worker.serve_schedule().await?;
        }
        for order in &orders {
            if status(shop, order).await? != "COMPLETED" {
                let order_now = shop.order(order).await?;
                no_task_timed_out(shop, order).await?;
                anyhow::bail!("{}\n{}", shop.describe(order, &order_now), shop.log(worker.function.log()));
            }
        }
        shop.audit_is_clean().await
    });
}

#[test]
fn an_invocation_that_is_cut_off_wakes_the_next_one() {
    // The gateway does not answer the first attempt, which takes longer than the two seconds that the
    // limit leaves.
    let slow = [("STEP_LOCAL_LIMIT_MS", "8000"), ("STEP_ATTEMPT_LIMIT_MS", "8000"), ("WORKER_DRAIN_S", "1")];
    with_own_stack(0, &settings(&slow), async |shop| {
        let mut worker = OnDemand::start_with(shop, Duration::from_secs(8)).await?;
        let product = shop.product(1_000, 100).await?;
        let mut orders = Vec::new();
        for _ in 0..3 {
            orders.push(shop.place(&Draft::new("CUST-cut").line(&product, 1).payment_method("tok_timeout")).await?);
        }
        let (count, took) = worker.serve().await?;
        ensure!(count == 3 && took < Duration::from_secs(8), "{count} wake-ups, {took:?}");
        for order in &orders {
            let status = status(shop, order).await?;
            ensure!(
                ["PENDING", "RESERVED"].contains(&status.as_str()),
                "{order} is {status}: the invocation was not cut off in the middle of it"
            );
        }
        ensure!(shop.log(worker.function.log()).contains("the next one goes on"), "{}", shop.log(worker.function.log()));

        // The next one needs no schedule.
        let mut next = OnDemand::start(shop).await?;
        ensure!(next.serve_all().await? == 1, "it did not wake the next one");
        for order in &orders {
            let status = status(shop, order).await?;
            ensure!(status == "COMPLETED", "{order} is {status}: {}", shop.log(next.function.log()));
        }
        shop.audit_is_clean().await
    });
}

#[test]
fn the_schedule_serves_timers_and_ends_at_once_if_there_is_nothing_to_do() {
    with_own_stack(0, &settings(&[("DECISION_TIMEOUT_S", "4")]), async |shop| {
        let mut worker = OnDemand::start(shop).await?;
        let (scarce, product) = (shop.product(1_000, 1).await?, shop.product(1_000, 10).await?);
        let order = shop.place(&Draft::new("CUST-on-demand").line(&scarce, 2).line(&product, 1)).await?;
        worker.serve_all().await?;
        ensure!(status(shop, &order).await? == "ACTION_REQUIRED");
        let runs = worker.runs();
        sleep(Duration::from_secs(5)).await;
        ensure!(status(shop, &order).await? == "ACTION_REQUIRED", "a worker runs");
        worker.serve_schedule().await?;
        shop.ends(&order, "CANCELLED").await?;
        ensure!(worker.runs() == runs + 1);

        let took = worker.serve_schedule().await?;
        ensure!(worker.runs() == runs + 1 && took < Duration::from_secs(3), "{took:?}, {} runs", worker.runs());
        // It has reported, so the API knows that there is a worker although none runs.
        let health: Value = shop.get("/api/health").await?.json().await?;
        ensure!(health["status"] == "ok", "{health}");

        // A message that another program has recorded is sent by the schedule's worker.
        let db = shop.db().await?;
        let waiting = "SELECT count(*) FROM notifications WHERE state = 'PENDING'";
        ensure!(db.query_one(waiting, &[]).await?.get::<_, i64>(0) == 0, "the customer's message was not sent");
        shop.audit_is_clean().await
    });
}

/// As after a deployment that replaces workers that ran all the time.
#[test]
fn it_takes_over_from_workers_with_a_version_that_have_ended() {
    with_own_stack(0, &settings(&[]), async |shop| {
        let (client, product) = (connect(shop).await?, shop.product(1_000, 100).await?);
        let deployment = shop.stack.settings().get("TEMPORAL_TASK_QUEUE")?.to_owned();
        let gone = SetWorkerDeploymentCurrentVersionRequest {
            namespace: client.namespace(),
            deployment_name: deployment,
            build_id: "gone".to_owned(),
            allow_no_pollers: true,
            ..Default::default()
        };
        client.connection().workflow_service().set_worker_deployment_current_version(Request::new(gone)).await?;
        let mut worker = OnDemand::start(shop).await?;
        let order = place(shop, &product).await?;
        worker.serve_all().await?;
        shop.ends(&order, "COMPLETED").await?;
        let versions = shop.stack.run("worker", &["versions"]).await?;
        let versions = String::from_utf8_lossy(&versions.stdout).into_owned();
        ensure!(!versions.contains("current"), "{versions}");
        shop.audit_is_clean().await
    });
}

/// Otherwise the alarms would say that no worker runs.
#[test]
fn the_metrics_do_not_wait_until_there_is_nothing_to_do() {
    // A period that has always passed (TOLERANCE). The gateway does not answer for a while.
    let metrics = [("METRICS_STACK", "shop"), ("METRICS_PERIOD_S", "5")];
    let slow = [("STEP_LOCAL_LIMIT_MS", "8000"), ("STEP_ATTEMPT_LIMIT_MS", "8000"), ("WORKER_DRAIN_S", "1")];
    with_own_stack(0, &settings(&[&metrics[..], &slow].concat()), async |shop| {
        let mut worker = OnDemand::start_with(shop, Duration::from_secs(10)).await?;
        let product = shop.product(1_000, 100).await?;
        shop.place(&Draft::new("CUST-cut").line(&product, 1).payment_method("tok_timeout")).await?;
        worker.serve().await?;
        let log = shop.log(worker.function.log());
        let (before, _) = log.split_once("the next one goes on").with_context(|| format!("it was not cut off: {log}"))?;
        ensure!(before.contains("TaskQueueBacklogAge"), "{log}");
        Ok(())
    });
}

/// CloudFormation's side of a custom resource: it gets the answer at a URL.
type Answers = Arc<Mutex<Vec<Value>>>;

async fn take(State(answers): State<Answers>, body: String) {
    answers.lock().unwrap_or_else(PoisonError::into_inner).push(serde_json::from_str(&body).unwrap_or_default());
}

#[test]
fn cloudformation_waits_for_the_migrations() {
    with_own_stack(0, &[], async |shop| {
        let answers = Answers::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/answer?signature=x", listener.local_addr()?);
        let routes = Router::new().route("/answer", put(take)).with_state(answers.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let request = |kind: &str| {
            json!({
                "RequestType": kind, "ResponseURL": url, "StackId": "stack", "RequestId": "request", "LogicalResourceId": "Migration",
                "ResourceType": "Custom::Migration", "ResourceProperties": { "ServiceToken": "arn" }
            })
        };
        let broken = [("POSTGRES_DB".to_owned(), "nothing".to_owned())];
        for (settings, kind, status) in
            [(&[][..], "Update", "SUCCESS"), (&broken[..], "Update", "FAILED"), (&broken[..], "Delete", "SUCCESS")]
        {
            let mut function = Function::start_program(shop, "worker", &["on-demand", "migrate"], settings, LIMIT).await?;
            function.invoke(&request(kind)).await?;
            let answer = answers.lock().unwrap_or_else(PoisonError::into_inner).pop().context("no answer")?;
            assert_eq!((&answer["Status"], &answer["PhysicalResourceId"]), (&json!(status), &json!("schema")), "{answer}");
            assert_eq!((&answer["StackId"], &answer["RequestId"]), (&json!("stack"), &json!("request")), "{answer}");
        }
        Ok(())
    });
}
