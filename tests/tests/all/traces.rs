//! Traces: one order is one connected trace, from the request that places it to its refund. A small
//! OTLP receiver takes the spans. If Jaeger is installed, one test uses it, too.

use crate::{
    histories::{connect, wait_for_event},
    observability::metrics,
    refunds::wait_for_refund,
    shipping::{MANUAL_CARRIER, send_tracking_event, tracking_event},
    support::{Collector, Draft, Exported, LOADED, Shop, answer, block_on, text, until, until_ok, with_own_stack, with_shared_stack},
};
use ::orders::workflow::OrderWorkflowType;
use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use local::project;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(30);
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:orderflow-events.fifo";
/// The trace context that the page sends, and its parts.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PAGE_SPAN: &str = "00f067aa0ba902b7";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
/// On a busy machine, an attempt to pay may fail for another reason than its token's.
const STEADY: [(&str, &str); 4] = [LOADED[0], LOADED[1], LOADED[2], ("RETRY_MAXIMUM_ATTEMPTS", "10")];
/// What must be in no span.
const EMAIL: &str = "canary@example.test";
const PHONE: &str = "+4917612345678";
const TOKEN: &str = "tok_processing_error";
const REASON: &str = "canary reason";

async fn place(shop: &Shop, draft: &Draft, traceparent: &str) -> Result<Value> {
    let request = shop.request(Method::POST, "/api/orders").header(header::CONTENT_TYPE, "application/json");
    let (status, order) = answer(request.header("traceparent", traceparent).body(draft.body().to_string()).send().await?).await?;
    ensure!(status == StatusCode::ACCEPTED, "{status} {order}");
    Ok(order)
}

/// Asserts that the span `name` is exported, and that its parent has one of these names.
fn child(collector: &Collector, name: &str, parent: &str) -> Result<()> {
    let spans = collector.spans();
    let by_id: BTreeMap<&str, &Exported> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    let named = spans.iter().filter(|span| span.trace == TRACE && span.name == name);
    let parents: BTreeSet<&str> = named.map(|span| by_id.get(span.parent.as_str()).map_or("-", |parent| &parent.name)).collect();
    ensure!(parents.contains(parent), "{name} is below {parents:?} and not below {parent}; there are:\n{}", collector.names(TRACE));
    Ok(())
}

#[test]
fn an_order_is_one_trace_from_the_page_to_its_refund() {
    let collector = block_on(Collector::start()).expect("a collector");
    let settings = [
        &STEADY[..],
        &MANUAL_CARRIER,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
            ("OTEL_TRACES_SAMPLER_ARG", "1"),
            ("EVENTS_TOPIC_ARN", TOPIC),
            ("LOG_FORMAT", "json"),
        ],
    ]
    .concat();
    with_own_stack(1, &settings, async |shop| {
        let product = shop.product(1_000, 10).await?;
        let contact = json!({ "email": EMAIL, "phone": PHONE });
        let draft = Draft::new("CUST-trace").line(&product, 2).payment_method(TOKEN).with("contact", contact);
        shop.stack.temporal.stop().await?;
        let order = place(shop, &draft, TRACEPARENT).await?;
        assert_eq!(order["queued"], true);
        let id = text(&order, "/id")?;
        shop.stack.temporal.start().await?;
        shop.reaches(id, &["PAID", "SHIPPED"]).await?;

        // The workflow waits for its parcel. Another worker replays it.
        wait_for_event(shop, id, "TimerStarted").await?;
        shop.stack.workers[0].stop().await?;
        shop.stack.workers[0].start().await?;
        for event in ["IN_TRANSIT", "DELIVERED"] {
            send_tracking_event(shop, &tracking_event(id, 1, event)).await?;
        }
        shop.ends(id, "COMPLETED").await?;
        let request = shop.request(Method::POST, &format!("/api/orders/{id}/refunds")).header("Idempotency-Key", shop.unique("refund"));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(json!({ "amount": 5, "reason": REASON }).to_string());
        let (status, refund) = answer(request.send().await?).await?;
        ensure!(status == StatusCode::ACCEPTED, "{status} {refund}");
        wait_for_refund(shop, id, text(&refund, "/id")?).await?;
        let db = shop.db().await?;
        until("everything is published and sent", TIMEOUT, async || {
            let open = "SELECT (SELECT count(*) FROM order_history WHERE published_at IS NULL)
                + (SELECT count(*) FROM notifications WHERE state = 'PENDING')
                + (SELECT count(*) FROM orders WHERE projected_version < version)";
            Ok((db.query_one(open, &[]).await?.get::<_, i64>(0) == 0).then_some(()))
        })
        .await?;
        for (port, histogram) in [
            ("API_METRICS_PORT", "orderflow_http_request_duration_seconds_bucket"),
            ("WORKER_PORT", "orderflow_activity_duration_seconds_bucket"),
        ] {
            let text = metrics(shop, port).await?;
            let names_trace = |line: &str| line.starts_with(histogram) && line.contains(&format!(r#"# {{trace_id="{TRACE}"}}"#));
            ensure!(text.lines().any(names_trace), "no bucket of {histogram} has the trace as its exemplar:\n{text}");
        }
        shop.stack.workers[0].stop().await?;
        shop.stack.api.stop().await?;

        for (name, parent) in [
            ("send intake", "POST /api/orders"),
            ("sqs SendMessage", "send intake"),
            ("dynamodb PutItem", "POST /api/orders"),
            ("process intake", "send intake"),
            ("StartWorkflow:OrderWorkflow", "process intake"),
            ("RunWorkflow:OrderWorkflow", "StartWorkflow:OrderWorkflow"),
            ("StartActivity:CreateOrder", "RunWorkflow:OrderWorkflow"),
            ("RunActivity:CreateOrder", "StartActivity:CreateOrder"),
            ("order/record_order", "RunActivity:CreateOrder"),
            ("RunActivity:CheckInventory", "StartActivity:CheckInventory"),
            ("RunActivity:ProcessPayment", "StartActivity:ProcessPayment"),
            ("gateway authorize", "RunActivity:ProcessPayment"),
            ("gateway capture", "RunActivity:ProcessPayment"),
            ("sandbox_gateway/authorize_charge", "gateway authorize"),
            ("carrier book", "RunActivity:ShipOrder"),
            ("SignalWorkflow:scan", "POST /api/orders"),
            ("HandleSignal:scan", "SignalWorkflow:scan"),
            ("RunActivity:TrackOrder", "StartActivity:TrackOrder"),
            ("StartWorkflow:RefundWorkflow", "POST /api/orders"),
            ("RunWorkflow:RefundWorkflow", "StartWorkflow:RefundWorkflow"),
            ("RunActivity:RefundPayment", "StartActivity:RefundPayment"),
            ("gateway refund", "RunActivity:RefundPayment"),
            ("project order", "POST /api/orders"),
            ("dynamodb PutItem", "project order"),
            ("publish order.status_changed", "POST /api/orders"),
            ("notice confirmed", "POST /api/orders"),
            ("ses SendEmail", "notice confirmed"),
        ] {
            child(&collector, name, parent)?;
        }
        let spans: Vec<Exported> = collector.spans().into_iter().filter(|span| span.trace == TRACE).collect();
        let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
        ensure!(ids.len() == spans.len(), "a span was exported twice:\n{}", collector.names(TRACE));
        let request = collector.span(TRACE, "POST /api/orders")?;
        assert_eq!((request.parent.as_str(), request.service.as_str()), (PAGE_SPAN, "orderflow-api"));
        for span in spans.iter().filter(|span| span.id != request.id) {
            ensure!(ids.contains(span.parent.as_str()), "{} has no parent:\n{}", span.name, collector.names(TRACE));
        }
        // The catalogue is read before the order has its id.
        let without: Vec<&Exported> = spans.iter().filter(|span| span.attribute("order.id").as_deref() != Some(id)).collect();
        ensure!(
            without.iter().all(|span| span.parent == request.id && span.name.starts_with("dynamodb ")),
            "without the order's id: {without:?}"
        );
        for (name, system, destination) in
            [("send intake", "aws_sqs", "INTAKE_QUEUE_URL"), ("publish order.status_changed", "aws.sns", "EVENTS_TOPIC_ARN")]
        {
            let span = collector.span(TRACE, name)?;
            let attribute = |key: &str| span.attribute(key).unwrap_or_default();
            assert_eq!(
                (attribute("messaging.system").as_str(), attribute("messaging.operation.type").as_str()),
                (system, "send"),
                "{name}"
            );
            let name = attribute("messaging.destination.name");
            ensure!(!name.is_empty() && shop.stack.settings().get(destination)?.ends_with(&name), "{destination}: {name}");
        }
        let attempts = spans.iter().filter(|span| span.name == "RunActivity:ProcessPayment");
        let attempts: BTreeMap<String, bool> =
            attempts.map(|span| (span.attribute("order.attempt").unwrap_or_default(), span.failed)).collect();
        // On a busy machine, further attempts may fail. The last one succeeds.
        ensure!(attempts.len() >= 3 && attempts["1"] && attempts["2"], "{attempts:?}");
        ensure!(attempts.values().filter(|failed| !**failed).count() == 1, "{attempts:?}");

        // The requests that followed have traces of their own, with links to the order's trace.
        let all = collector.spans();
        for name in ["POST /api/webhooks/carrier", "POST /api/orders/{id}/refunds"] {
            let request = all.iter().find(|span| span.name == name).with_context(|| format!("no span {name}"))?;
            ensure!(request.trace != TRACE && request.links == [TRACE], "{request:?}");
            ensure!(spans.iter().any(|span| span.links.contains(&request.trace)), "{name} is not linked from the order's trace");
        }

        let exported = collector.text();
        for canary in [EMAIL, PHONE, TOKEN, REASON, "CUST-trace"] {
            let found = exported.lines().find(|line| line.contains(canary));
            ensure!(found.is_none(), "{canary} is in a span: {found:?}");
        }
        let logs = shop.logs();
        let about = logs.lines().filter(|line| line.contains(&format!("{id}: ProcessPayment")));
        let traced = about.filter(|line| line.contains(&format!(r#""trace_id":"{TRACE}","span_id":""#)));
        ensure!(traced.count() >= 3, "the log lines of the attempts have no trace");
        Ok(())
    });
}

/// Nothing is stored or sent, even if a client sends a trace context.
#[test]
fn without_tracing_no_trace_context_is_stored_or_sent() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 10).await?;
        let order = place(shop, &Draft::new("CUST-untraced").line(&product, 1), &TRACEPARENT.replace("-00", "-01")).await?;
        let id = text(&order, "/id")?;
        shop.ends(id, "COMPLETED").await?;
        let stored = shop.db().await?.query_one("SELECT traceparent FROM orders WHERE id = $1", &[&id]).await?;
        assert_eq!(stored.get::<_, Option<String>>(0), None);
        let dynamodb = aws_sdk_dynamodb::Client::new(&shop.aws()?);
        let item = dynamodb.get_item().table_name(shop.stack.settings().get("ORDERS_TABLE")?).key("id", AttributeValue::S(id.to_owned()));
        let item = item.send().await?.item.context("no item")?;
        ensure!(!item.contains_key("traceparent"), "{item:?}");
        let handle = connect(shop).await?.get_workflow_handle::<OrderWorkflowType>(id);
        let history = handle.fetch_history(Default::default()).to_json().await?;
        ensure!(!String::from_utf8_lossy(&history).contains("_tracer-data"), "the history has a trace context");
        let (status, problem) = answer(shop.get(&format!("/api/orders/{id}/trace")).await?).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::NOT_FOUND, &json!("/problems/trace-not-found")));
        Ok(())
    });
}

/// A collector that is away neither delays nor stops an order.
#[test]
fn orders_do_not_need_the_collector() {
    let settings = [&STEADY[..], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"), ("OTEL_TRACES_SAMPLER_ARG", "1")]].concat();
    with_own_stack(1, &settings, async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-no-collector").line(&product, 1)).await?;
        shop.ends(&id, "COMPLETED").await?;
        until_ok("the loss is logged", TIMEOUT, async || {
            ensure!(shop.logs().contains("spans could not be exported"), "no warning");
            Ok(())
        })
        .await?;
        shop.stack.workers[0].stop().await?;
        shop.stack.api.stop().await?;
        Ok(())
    });
}

/// An order of which nothing is sampled: only its errors are exported.
#[test]
fn errors_are_exported_without_sampling() {
    let collector = block_on(Collector::start()).expect("a collector");
    let settings =
        [&STEADY[..], &[("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()), ("OTEL_TRACES_SAMPLER_ARG", "0")]].concat();
    with_own_stack(1, &settings, async |shop| {
        let product = shop.product(1_000, 10).await?;
        let order = place(shop, &Draft::new("CUST-errors").line(&product, 1).payment_method(TOKEN), TRACEPARENT).await?;
        shop.ends(text(&order, "/id")?, "COMPLETED").await?;
        let declined = shop.place(&Draft::new("CUST-errors").line(&product, 1).payment_method("tok_declined")).await?;
        shop.ends(&declined, "FAILED").await?;
        shop.stack.workers[0].stop().await?;
        shop.stack.api.stop().await?;
        let spans = collector.spans();
        let failed: Vec<&str> = spans.iter().filter(|span| span.trace == TRACE).map(|span| span.name.as_str()).collect();
        for name in ["RunActivity:ProcessPayment", "gateway authorize"] {
            ensure!(failed.iter().filter(|failed| **failed == name).count() >= 2, "{name}: {failed:?}");
        }
        ensure!(spans.iter().all(|span| span.failed), "{spans:?}");
        ensure!(spans.iter().all(|span| span.attribute("order.id") != Some(declined.clone())), "a refusal counts as an error");
        Ok(())
    });
}

/// With Jaeger in place of the receiver, staff read the trace through the API.
#[test]
fn staff_read_a_trace_from_jaeger() {
    if !project().join(".local/bin/jaeger").exists() {
        eprintln!("skipped: Jaeger is not installed (local/install jaeger)");
        return;
    }
    with_own_stack(1, &[&STEADY[..], &[("TRACES", "1")]].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        let order = place(shop, &Draft::new("CUST-jaeger").line(&product, 1).payment_method(TOKEN), TRACEPARENT).await?;
        let id = text(&order, "/id")?;
        shop.ends(id, "COMPLETED").await?;
        let trace = until("the trace is there", TIMEOUT, async || {
            let (status, trace) = answer(shop.get(&format!("/api/orders/{id}/trace")).await?).await?;
            let names: Vec<&str> = trace["spans"].as_array().into_iter().flatten().filter_map(|span| span["name"].as_str()).collect();
            Ok((status == StatusCode::OK && names.contains(&"RunWorkflow:OrderWorkflow")).then_some(trace))
        })
        .await?;
        assert_eq!((&trace["traceID"], &trace["truncated"]), (&json!(TRACE), &json!(false)));
        let spans = trace["spans"].as_array().context("no spans")?;
        let parts: BTreeSet<&str> = spans.iter().filter_map(|span| span["part"].as_str()).collect();
        ensure!(["api", "worker", "temporal", "postgres", "gateway", "carrier"].iter().all(|part| parts.contains(part)), "{parts:?}");
        let first = &spans[0];
        assert_eq!((&first["name"], &first["startMicros"], &first["parentID"]), (&json!("POST /api/orders"), &json!(0), &json!(PAGE_SPAN)));
        let failed = spans.iter().find(|span| span["name"] == "RunActivity:ProcessPayment").context("no attempt")?;
        assert_eq!((&failed["attempt"], &failed["error"]), (&json!(1), &json!("failed")));
        let config: Value = shop.get("/config.json").await?.json().await?;
        ensure!(config["traces"] == true && config["links"].get("trace").is_none(), "{config}");
        Ok(())
    });
}
