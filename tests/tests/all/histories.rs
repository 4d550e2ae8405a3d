//! Recorded histories of the workflows, one for each path that a workflow can take. A change of a
//! workflow that would break running orders fails here.
//!
//! `make record-histories` records the missing histories. A new path needs a new recording. Delete
//! and record an old history again only if no order that began with the old workflow can still be
//! running anywhere.

mod long;
mod shipped;

use crate::{
    orders::statuses,
    support::{Draft, FAST, Product, Shop, answer, run, text, until, with_own_stack},
};
use ::orders::{
    OrderWorkflow, ReconcileWorkflow, RefundWorkflow, RestockWorkflow,
    reconciliation::PaymentEvent,
    workflow::{OrderWorkflowType, ReconcileWorkflowType, StepSettings},
};
use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use local::project;
use serde_json::Value;
use std::{fs, path::PathBuf, time::Duration};
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, Url, WorkflowHistory, WorkflowStartOptions};
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};

const TIMEOUT: Duration = Duration::from_secs(30);
/// `TASK_QUEUE_KIND_STICKY`: a worker's own queue, named after its machine.
const STICKY: i32 = 2;

fn folder() -> PathBuf {
    project().join("tests/histories")
}

fn recorded() -> Result<Vec<(String, Value)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder())? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).context("no name")?.to_owned();
        found.push((name, serde_json::from_slice(&fs::read(&path)?)?));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

fn history(name: &str) -> Result<Value> {
    let found = recorded()?.into_iter().find(|(known, _)| known == name);
    Ok(found.with_context(|| format!("no history {name}"))?.1)
}

/// The types of a history's events, taken from the names of their attributes.
fn events(history: &Value) -> Vec<&str> {
    let attributes = history["events"].as_array().into_iter().flatten().filter_map(|event| event["attributes"].as_object());
    attributes.flat_map(|attributes| attributes.keys()).map(|name| name.trim_end_matches("EventAttributes")).collect()
}

pub(crate) fn settings(limit_ms: u64) -> StepSettings {
    StepSettings {
        local_limit: Duration::from_millis(limit_ms),
        attempt_limit: Duration::from_millis(limit_ms),
        heartbeat_limit: Duration::from_millis(limit_ms),
        initial_interval: Duration::from_millis(limit_ms),
        backoff: 2.0,
        maximum_interval: Duration::from_secs(30),
    }
}

/// Replays a history with the current workflow, under these settings.
pub(crate) async fn replay(history: &Value, settings: StepSettings) -> Result<()> {
    let (of_orders, of_refunds, of_events, of_restocks) = (settings.clone(), settings.clone(), settings.clone(), settings);
    let options = WorkflowReplayerOptions::new()
        .register_workflow_with_factory::<OrderWorkflow, _>(move || OrderWorkflow::new(of_orders.clone()))?
        .register_workflow_with_factory::<RefundWorkflow, _>(move || RefundWorkflow::new(of_refunds.clone()))?
        .register_workflow_with_factory::<ReconcileWorkflow, _>(move || ReconcileWorkflow::new(of_events.clone()))?
        .register_workflow_with_factory::<RestockWorkflow, _>(move || RestockWorkflow::new(of_restocks.clone()))?
        .build();
    let history = WorkflowHistory::from_json(history.to_string().as_bytes())?;
    Ok(WorkflowReplayer::new(options)?.replay_workflow(history).await?)
}

#[test]
fn every_recorded_history_replays() {
    run(async {
        let histories = recorded()?;
        let paths = PATHS.len() + shipped::paths() + long::PATHS.len();
        ensure!(histories.len() >= paths, "{} histories for {paths} paths", histories.len());
        for (name, history) in histories {
            replay(&history, settings(1_500)).await.with_context(|| format!("{name} does not replay"))?;
        }
        Ok(())
    });
}

/// Timeouts are not part of the workflow's definition: a worker may restart with other timeouts.
#[test]
fn histories_replay_under_other_limits() {
    run(async {
        for (name, history) in recorded()? {
            replay(&history, settings(60_000)).await.with_context(|| format!("{name} does not replay"))?;
        }
        Ok(())
    });
}

#[test]
fn a_history_of_another_workflow_is_refused() {
    run(async {
        let text = history("payment_retried")?.to_string();
        let other = text.replace(r#""name":"ProcessPayment""#, r#""name":"CheckInventory""#);
        ensure!(text != other, "no regular payment in the history");
        let error = replay(&serde_json::from_str(&other)?, settings(1_500)).await.expect_err("it replayed");
        ensure!(format!("{error:#}").contains("TMPRL1100"), "{error:#}");
        Ok(())
    });
}

/// A result that only a newer release knows fails the workflow task, which is retried. The order
/// must not fail.
#[test]
fn a_result_of_a_newer_release_is_retried() {
    run(async {
        let mut status = history("payment_retried")?;
        rewrite_payloads(&mut status, r#""status":"PAID""#, r#""status":"PARTLY_PAID""#);
        let failure = history("declined")?.to_string().replace(r#""type":"PaymentDeclined""#, r#""type":"CustomerMustAct""#);
        for (newer, older) in [(status, "payment_retried"), (serde_json::from_str(&failure)?, "declined")] {
            ensure!(newer != history(older)?, "{older} has nothing to replace");
            let error = replay(&newer, settings(1_500)).await.expect_err("it replayed");
            ensure!(format!("{error:#}").contains("of a newer release"), "{older}: {error:#}");
        }
        Ok(())
    });
}

/// Replaces a text in the payloads of a history.
fn rewrite_payloads(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) => {
            if let Some(payload) = BASE64.decode(text.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                *text = BASE64.encode(payload.replace(from, to));
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| rewrite_payloads(field, from, to)),
        Value::Array(elements) => elements.iter_mut().for_each(|element| rewrite_payloads(element, from, to)),
        _ => {}
    }
}

/// The work of the Temporal server is the most expensive part of an order. So an undisturbed order
/// takes a single workflow task and no regular activity.
#[test]
fn an_undisturbed_order_takes_one_workflow_task() -> Result<()> {
    for name in [
        "completed",
        "shipped_at_once",
        "nothing_delivered",
        "refunded",
        "reconciled",
        "restocked",
        "declined",
        "out_of_stock",
        "wrong_price",
        "unknown_product",
    ] {
        let history = history(name)?;
        let events = events(&history);
        let count = |kind: &str| events.iter().filter(|event| **event == kind).count();
        assert_eq!((count("WorkflowTaskCompleted"), count("ActivityTaskScheduled")), (1, 0), "{name}: {events:?}");
    }
    Ok(())
}

/// The paths of orders that are not shipped, and of refunds, restocks and events of the gateway.
const PATHS: &[&str] = &[
    "completed",
    "declined",
    "out_of_stock",
    "wrong_price",
    "unknown_product",
    "payment_retried",
    "payment_answer_lost",
    "payment_exhausted",
    "reservation_retried",
    "cancelled_before_start",
    "cancelled_while_reserving",
    "cancelled_while_paying",
    "cancelled_while_retrying",
    "cancelled_after_charge",
    "cancelled_too_late",
    "worker_died",
    "refunded",
    "refund_retried",
    "amended",
    "not_amended",
    "cancelled_instead_of_amending",
    "approved",
    "not_approved",
    "asked_again",
    "approved_in_part",
    "reconciled",
    "reconciliation_retried",
    "restocked",
];

#[test]
#[ignore = "records histories: make record-histories"]
fn record() {
    let limits = [("CARRIER", "none"), ("RISK_SPEND_LIMITS", "USD=50000.00"), ("DECISION_TIMEOUT_S", "5")];
    with_own_stack(1, &[&FAST[..], &limits].concat(), async |shop| {
        let product = shop.product(1_000, 1_000_000).await?;
        let gone = shop.product(1_000, 0).await?;
        fs::create_dir_all(folder())?;
        for path in PATHS.iter().filter(|path| !folder().join(format!("{path}.json")).exists()) {
            let id = run_path(shop, path, &product, &gone).await.with_context(|| format!("recording {path}"))?;
            save(shop, path, &id).await?;
        }
        shop.audit_is_clean().await
    });
}

/// Takes an order along a path to its end.
async fn run_path(shop: &Shop, path: &str, product: &Product, gone: &Product) -> Result<String> {
    let draft = Draft::new("CUST-001").line(product, 2);
    let worker = &shop.stack.workers[0];
    let straight = async |draft: &Draft, end: &str| {
        let id = shop.place(draft).await?;
        shop.ends(&id, end).await?;
        anyhow::Ok(id)
    };
    let mut holder = shop.db().await?;
    match path {
        "completed" => straight(&draft, "COMPLETED").await,
        "declined" => straight(&draft.payment_method("tok_declined"), "FAILED").await,
        "out_of_stock" => straight(&Draft::new("CUST-001").line(gone, 1), "FAILED").await,
        "amended" | "not_amended" | "cancelled_instead_of_amending" => {
            let id = shop.place(&draft.line(gone, 1)).await?;
            shop.reaches(&id, &["ACTION_REQUIRED"]).await?;
            match path {
                "amended" => drop(shop.post(&format!("/api/orders/{id}/amend"), "").await?.error_for_status()?),
                "not_amended" => {}
                _ => drop(shop.cancel(&id).await?),
            }
            shop.ends(&id, if path == "amended" { "COMPLETED" } else { "CANCELLED" }).await?;
            Ok(id)
        }
        // The offered stock is released and sold before the customer answers.
        "asked_again" => {
            let few = shop.product(100, 3).await?;
            let id = shop.place(&draft.line(&few, 4)).await?;
            shop.reaches(&id, &["ACTION_REQUIRED"]).await?;
            holder.execute("UPDATE reservations SET expires_at = now() WHERE order_id = $1", &[&id]).await?;
            until("the stock is released", TIMEOUT, async || Ok((shop.stock(&few).await? == (3, 0)).then_some(()))).await?;
            holder.execute("UPDATE products SET stock = 1 WHERE id = $1", &[&few.id]).await?;
            shop.post(&format!("/api/orders/{id}/amend"), "").await?.error_for_status()?;
            until("another offer", TIMEOUT, async || Ok((shop.order(&id).await?["items"][1]["available"] == 1).then_some(()))).await?;
            shop.post(&format!("/api/orders/{id}/amend"), "").await?.error_for_status()?;
            shop.ends(&id, "COMPLETED").await?;
            Ok(id)
        }
        // A part is sold before the shop approves.
        "approved_in_part" => {
            let few = shop.product(100, 3).await?;
            let id = shop.place(&Draft::new("CUST-003").line(product, 6_000).line(&few, 3)).await?;
            shop.reaches(&id, &["IN_REVIEW"]).await?;
            holder.execute("UPDATE products SET stock = 1 WHERE id = $1", &[&few.id]).await?;
            shop.post(&format!("/api/orders/{id}/review"), r#"{"approved":true}"#).await?.error_for_status()?;
            shop.reaches(&id, &["ACTION_REQUIRED"]).await?;
            shop.post(&format!("/api/orders/{id}/amend"), "").await?.error_for_status()?;
            shop.ends(&id, "COMPLETED").await?;
            Ok(id)
        }
        "approved" | "not_approved" => {
            let id = shop.place(&Draft::new("CUST-002").line(product, 6_000)).await?;
            shop.reaches(&id, &["IN_REVIEW"]).await?;
            let review = serde_json::json!({ "approved": path == "approved" });
            shop.post(&format!("/api/orders/{id}/review"), review.to_string()).await?.error_for_status()?;
            shop.ends(&id, if path == "approved" { "COMPLETED" } else { "FAILED" }).await?;
            Ok(id)
        }
        "wrong_price" | "unknown_product" => {
            let product_id = if path == "wrong_price" { product.id.as_str() } else { "NO-SUCH-PRODUCT" };
            let id = shop.enqueue(&draft.line_at(product_id, 1, 1)).await?;
            shop.ends(&id, "FAILED").await?;
            Ok(id)
        }
        "payment_retried" => straight(&draft.payment_method("tok_processing_error"), "COMPLETED").await,
        "payment_answer_lost" => straight(&draft.payment_method("tok_timeout"), "COMPLETED").await,
        "payment_exhausted" => straight(&draft.payment_method("tok_down"), "FAILED").await,
        "reservation_retried" | "cancelled_while_reserving" => {
            let lock = holder.transaction().await?;
            lock.execute("SELECT FROM products WHERE id = $1 FOR UPDATE", &[&product.id]).await?;
            let id = shop.place(&draft).await?;
            wait_for_event(shop, &id, "ActivityTaskScheduled").await?;
            if path == "cancelled_while_reserving" {
                shop.cancel(&id).await?;
                shop.ends(&id, "CANCELLED").await?;
            }
            lock.rollback().await?;
            shop.reaches(&id, &["COMPLETED", "CANCELLED"]).await?;
            Ok(id)
        }
        "cancelled_before_start" => {
            worker.stop().await?;
            let id = shop.place(&draft).await?;
            shop.cancel(&id).await?;
            worker.start().await?;
            shop.ends(&id, "CANCELLED").await?;
            Ok(id)
        }
        "cancelled_while_paying" | "cancelled_after_charge" => {
            let method = if path == "cancelled_while_paying" { "tok_down" } else { "tok_timeout" };
            let id = shop.place(&draft.payment_method(method)).await?;
            shop.reaches(&id, &["RESERVED"]).await?;
            shop.cancel(&id).await?;
            shop.ends(&id, "CANCELLED").await?;
            Ok(id)
        }
        "cancelled_while_retrying" => {
            let id = shop.place(&draft.payment_method("tok_down")).await?;
            wait_for_event(shop, &id, "ActivityTaskScheduled").await?;
            shop.cancel(&id).await?;
            shop.ends(&id, "CANCELLED").await?;
            Ok(id)
        }
        // The order is paid and only the confirmation is not recorded yet: it cannot be cancelled
        // any more.
        "cancelled_too_late" => {
            let lock = holder.transaction().await?;
            lock.batch_execute("LOCK TABLE notifications IN SHARE MODE").await?;
            let id = shop.place(&draft).await?;
            shop.reaches(&id, &["PAID"]).await?;
            shop.cancel(&id).await?;
            wait_for_event(shop, &id, "WorkflowExecutionSignaled").await?;
            lock.rollback().await?;
            let order = shop.ends(&id, "COMPLETED").await?;
            ensure!(statuses(&order) == ["PENDING", "RESERVED", "PAID", "COMPLETED"]);
            Ok(id)
        }
        "worker_died" => {
            let id = shop.place(&draft.payment_method("tok_timeout")).await?;
            shop.reaches(&id, &["RESERVED"]).await?;
            worker.kill().await?;
            worker.start().await?;
            shop.ends(&id, "COMPLETED").await?;
            Ok(id)
        }
        "refunded" | "refund_retried" => {
            let id = straight(&draft, "COMPLETED").await?;
            let lock = holder.transaction().await?;
            if path == "refund_retried" {
                lock.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", &[&id]).await?;
            }
            let (_, accepted) = answer(shop.post_once(&format!("/api/orders/{id}/refunds"), r#"{"amount":1}"#).await?).await?;
            let refund = text(&accepted, "/id")?.to_owned();
            if path == "refund_retried" {
                wait_for_event(shop, &refund, "ActivityTaskScheduled").await?;
            }
            lock.rollback().await?;
            Ok(refund)
        }
        "reconciled" | "reconciliation_retried" => {
            let id = straight(&draft, "COMPLETED").await?;
            let lock = holder.transaction().await?;
            if path == "reconciliation_retried" {
                lock.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", &[&id]).await?;
            }
            let event = PaymentEvent { gateway: "sandbox".to_owned(), order_id: id.parse()?, reference: "sandbox-payment".to_owned() };
            let options = WorkflowStartOptions::new(::orders::TASK_QUEUE, path).build();
            connect(shop).await?.start_workflow(ReconcileWorkflowType, event, options).await?;
            if path == "reconciliation_retried" {
                wait_for_event(shop, path, "ActivityTaskScheduled").await?;
            }
            lock.rollback().await?;
            Ok(path.to_owned())
        }
        "restocked" => {
            let (_, restocked) =
                answer(shop.post_once(&format!("/api/products/{}/restock", product.id), r#"{"quantity":1}"#).await?).await?;
            Ok(text(&restocked, "/id")?.to_owned())
        }
        other => anyhow::bail!("no way to walk {other}"),
    }
}

pub(crate) async fn connect(shop: &Shop) -> Result<Client> {
    let settings = shop.stack.settings();
    let address = format!("http://{}", settings.get("TEMPORAL_HOST_PORT")?);
    let connection = Connection::connect(ConnectionOptions::new(address.parse::<Url>()?).build()).await?;
    Ok(Client::new(connection, ClientOptions::new(settings.get("TEMPORAL_NAMESPACE")?).build())?)
}

/// Waits for an event in an order's history.
pub(crate) async fn wait_for_event(shop: &Shop, id: &str, event: &str) -> Result<Value> {
    let handle = connect(shop).await?.get_workflow_handle::<OrderWorkflowType>(id);
    until(&format!("{event} in the history of {id}"), TIMEOUT, async || {
        let history: Value = serde_json::from_slice(&handle.fetch_history(Default::default()).to_json().await?)?;
        Ok(events(&history).contains(&event).then_some(history))
    })
    .await
}

/// Saves a completed history, one event a line.
async fn save(shop: &Shop, name: &str, id: &str) -> Result<()> {
    write(name, wait_for_event(shop, id, "WorkflowExecutionCompleted").await?)
}

fn write(name: &str, mut history: Value) -> Result<()> {
    anonymize(&mut history);
    let events = history["events"].as_array().context("no events")?;
    let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
    fs::write(folder().join(format!("{name}.json")), format!("{{\"events\":[\n{}\n]}}\n", lines.join(",\n")))?;
    Ok(())
}

/// Removes the names that identify the machine on which the history was recorded.
fn anonymize(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("kind") == Some(&STICKY.into()) {
                fields.insert("name".to_owned(), "sticky".into());
            }
            for (name, field) in fields {
                if name == "identity" { *field = "somebody".into() } else { anonymize(field) }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(anonymize),
        _ => {}
    }
}
