//! Reads traces from Jaeger's query API (`GET /api/traces/{traceID}`).

use crate::http::Problem;
use anyhow::{Context as _, anyhow};
use platform::{
    http::Client,
    trace::{self, TraceParent},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::HashMap, time::Duration};
use tokio::time::timeout;

/// The time limits: for opening a connection, and for the whole answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// The largest answer of Jaeger that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// How many spans are returned: the first ones of the trace.
const MAX_SPANS: usize = 1_000;
/// The longest name or error, in bytes.
const MAX_TEXT_BYTES: usize = 200;

#[derive(clap::Args, Clone, Debug)]
#[group(id = "traces")]
pub struct Settings {
    /// Address of Jaeger's query API, from which staff read the trace of an order. Without it, they
    /// get only the trace's id.
    #[arg(long, env = "TRACES_QUERY_URL")]
    pub traces_query_url: Option<String>,
}

/// The trace of an order.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = OrderTrace))]
pub(crate) struct OrderTraceView {
    /// The id of the trace: 32 hexadecimal digits.
    #[serde(rename = "traceID")]
    trace_id: String,
    /// False if only those spans are recorded that ended in an error.
    sampled: bool,
    /// By their start. Without spans, this API cannot read them: a tracing tool shows the trace.
    spans: Vec<SpanView>,
    /// True if the trace has more spans than these.
    truncated: bool,
}

/// A span: one piece of work in the trace.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Span))]
#[serde(rename_all = "camelCase")]
struct SpanView {
    /// 16 hexadecimal digits.
    id: String,
    /// The span that this span belongs to. It may be missing in the answer: a caller's span is not
    /// exported, and neither is a span that a killed process had not ended.
    #[serde(rename = "parentID", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    parent_id: Option<String>,
    part: Part,
    name: String,
    /// Microseconds since the start of the trace's first span.
    start_micros: u64,
    duration_micros: u64,
    /// The number of an activity's or a notification's attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    attempt: Option<i64>,
    /// The code of the error in which the span ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    error: Option<String>,
}

/// The part of OrderFlow, or the service that it called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = SpanPart))]
#[serde(rename_all = "lowercase")]
enum Part {
    Page,
    Api,
    Function,
    Worker,
    Temporal,
    Postgres,
    Queue,
    Gateway,
    Carrier,
    Events,
    Notice,
}

/// Reads traces.
pub struct Traces {
    url: Option<String>,
    http: Client,
}

impl Traces {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let url = settings.traces_query_url.map(|url| url.trim_end_matches('/').to_owned());
        Self { url, http: Client::new(CONNECT_TIMEOUT, READ_TIMEOUT, MAX_ANSWER_BYTES) }
    }

    /// Reads a trace.
    ///
    /// # Errors
    /// 404 if Jaeger does not have the trace; 503 if it does not answer.
    pub(crate) async fn read(&self, trace: &TraceParent) -> Result<OrderTraceView, Problem> {
        let empty =
            OrderTraceView { trace_id: trace.trace_id().to_string(), sampled: trace.is_sampled(), spans: Vec::new(), truncated: false };
        let Some(url) = &self.url else { return Ok(empty) };
        let url = format!("{url}/api/traces/{}", empty.trace_id);
        let read = timeout(READ_TIMEOUT, self.http.get(&url)).await.context("Jaeger did not answer in time");
        let answer = read.and_then(|answer| Ok(answer?)).map_err(unavailable)?;
        match answer.status {
            200 => view(empty, &answer.body).map_err(unavailable)?.ok_or_else(Problem::no_trace),
            404 => Err(Problem::no_trace()),
            status => Err(unavailable(anyhow!("Jaeger answered {status}"))),
        }
    }
}

fn unavailable(error: anyhow::Error) -> Problem {
    Problem::unavailable("The trace cannot be read right now.", error)
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Trace>,
}

#[derive(Deserialize)]
struct Trace {
    spans: Vec<Span>,
    processes: HashMap<String, Process>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    service_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    #[serde(rename = "spanID")]
    id: String,
    operation_name: String,
    #[serde(default)]
    references: Vec<Reference>,
    /// Microseconds since 1970.
    start_time: u64,
    /// In microseconds.
    duration: u64,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(rename = "processID")]
    process: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: String,
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    value: Value,
}

/// Fills the answer from Jaeger's. `None` if Jaeger has no span of the trace.
fn view(empty: OrderTraceView, answer: &[u8]) -> anyhow::Result<Option<OrderTraceView>> {
    // The parser's message is dropped, because it may quote the answer.
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| anyhow!("Jaeger's answer cannot be read"))?;
    let Some(Trace { mut spans, processes }) = answer.data.into_iter().next() else { return Ok(None) };
    spans.sort_by(|a, b| (a.start_time, &a.id).cmp(&(b.start_time, &b.id)));
    let Some(began) = spans.first().map(|span| span.start_time) else { return Ok(None) };
    let truncated = spans.len() > MAX_SPANS;
    spans.truncate(MAX_SPANS);
    let spans = spans.into_iter().map(|span| {
        let service = processes.get(&span.process).map_or("", |process| &process.service_name);
        span_view(span, &empty.trace_id, service, began)
    });
    let spans = spans.collect();
    Ok(Some(OrderTraceView { spans, truncated, ..empty }))
}

fn span_view(span: Span, trace_id: &str, service: &str, began: u64) -> SpanView {
    let tag = |name: &str| span.tags.iter().find(|tag| tag.key == name).map(|tag| &tag.value);
    let text = |name: &str| tag(name).and_then(Value::as_str);
    let is_parent = |reference: &&Reference| reference.ref_type == "CHILD_OF" && reference.trace_id == trace_id;
    let has_failed = tag("error") == Some(&Value::Bool(true)) || text("otel.status_code") == Some("ERROR");
    SpanView {
        parent_id: span.references.iter().find(is_parent).map(|reference| reference.span_id.clone()),
        part: part(text(trace::PART), service, &span.operation_name),
        name: shortened(&span.operation_name),
        start_micros: span.start_time - began,
        duration_micros: span.duration,
        attempt: tag(trace::ATTEMPT).and_then(Value::as_i64),
        error: has_failed.then(|| shortened(text("error.type").unwrap_or("failed"))),
        id: span.id,
    }
}

fn part(named: Option<&str>, service: &str, name: &str) -> Part {
    match (named, service) {
        (Some("temporal"), _) => Part::Temporal,
        (Some("postgres"), _) => Part::Postgres,
        (Some("queue"), _) => Part::Queue,
        (Some("gateway"), _) => Part::Gateway,
        (Some("carrier"), _) => Part::Carrier,
        (Some("events"), _) => Part::Events,
        (Some("notice"), _) => Part::Notice,
        // Spans of Temporal's SDK. Those of activities are the worker's own work.
        (_, "orderflow-worker") if ["RunWorkflow:", "StartActivity:", "Handle"].iter().any(|prefix| name.starts_with(prefix)) => {
            Part::Temporal
        }
        (_, "orderflow-worker") => Part::Worker,
        (_, "orderflow-api") => Part::Api,
        (_, "orderflow-page") => Part::Page,
        _ => Part::Function,
    }
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn empty() -> OrderTraceView {
        OrderTraceView { trace_id: TRACE.to_owned(), sampled: true, spans: Vec::new(), truncated: false }
    }

    fn read(spans: Value) -> Value {
        let processes = json!({ "p1": { "serviceName": "orderflow-worker" }, "p2": { "serviceName": "orderflow-api" } });
        let answer = json!({ "data": [{ "traceID": TRACE, "spans": spans, "processes": processes }] });
        serde_json::to_value(view(empty(), answer.to_string().as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn spans_are_relative_to_the_first_one() {
        let parent = json!([{ "refType": "CHILD_OF", "traceID": TRACE, "spanID": "a1" }]);
        let link = json!([{ "refType": "FOLLOWS_FROM", "traceID": "0af7651916cd43dd8448eb211c80319c", "spanID": "f0" }]);
        let tags = json!([
            { "key": "order.attempt", "type": "int64", "value": 2 },
            { "key": "error", "type": "bool", "value": true },
            { "key": "error.type", "type": "string", "value": "postgres" }
        ]);
        let sql = json!([{ "key": "order.part", "type": "string", "value": "postgres" }]);
        let answer = read(json!([
            { "spanID": "b2", "operationName": "RunActivity:CreateOrder", "references": parent, "startTime": 1500, "duration": 40, "tags": tags, "processID": "p1" },
            { "spanID": "a1", "operationName": "POST /api/orders", "references": link, "startTime": 1000, "duration": 90, "tags": [], "processID": "p2" },
            { "spanID": "c3", "operationName": "order/record_order", "references": parent, "startTime": 1501, "duration": 3, "tags": sql, "processID": "p1" }
        ]));
        assert_eq!(
            answer["spans"],
            json!([
                { "id": "a1", "part": "api", "name": "POST /api/orders", "startMicros": 0, "durationMicros": 90 },
                { "id": "b2", "parentID": "a1", "part": "worker", "name": "RunActivity:CreateOrder", "startMicros": 500, "durationMicros": 40, "attempt": 2, "error": "postgres" },
                { "id": "c3", "parentID": "a1", "part": "postgres", "name": "order/record_order", "startMicros": 501, "durationMicros": 3 }
            ])
        );
        assert_eq!((&answer["traceID"], &answer["truncated"]), (&json!(TRACE), &json!(false)));
    }

    #[test]
    fn a_long_trace_is_cut() {
        let span = |n: usize| json!({ "spanID": format!("{n:016x}"), "operationName": "x".repeat(500), "startTime": n, "duration": 1, "processID": "p1" });
        let answer = read((0..1_500).map(span).collect());
        let spans = answer["spans"].as_array().unwrap();
        assert_eq!((spans.len(), &answer["truncated"]), (1_000, &json!(true)));
        assert_eq!(spans[999]["name"].as_str().unwrap().len(), 200);
    }

    #[tokio::test]
    async fn without_jaeger_there_is_only_the_id() {
        let traces = Traces::new(Settings { traces_query_url: None });
        let trace = TraceParent::parse(&format!("00-{TRACE}-00f067aa0ba902b7-00")).unwrap();
        assert_eq!(traces.read(&trace).await.unwrap(), OrderTraceView { sampled: false, ..empty() });
    }

    #[test]
    fn no_spans_are_no_trace() {
        assert!(view(empty(), br#"{"data":[]}"#).unwrap().is_none());
        assert!(view(empty(), b"<html>").is_err());
    }
}
