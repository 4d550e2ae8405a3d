//! Distributed traces: OpenTelemetry with W3C Trace Context (docs/decisions/0029-traces.md).
//!
//! Without `OTEL_EXPORTER_OTLP_ENDPOINT`, nothing is traced: no span is made, and no trace context
//! is stored or sent. The functions here then return at once.
//!
//! Nothing personal may be in a span. Names and attributes of spans are names in code, ids, and
//! codes. An error is a short code and never its text.

mod aws;
mod batches;
mod carrier;
mod export;
#[cfg(test)]
mod kept;
mod log;
mod order;
mod sampling;
mod temporal;
mod traceparent;

use crate::metrics;
pub(crate) use aws::TracedClient;
use batches::Divided;
use carrier::Carrier;
pub use carrier::{BAGGAGE, TRACEPARENT};
use export::Exporter;
pub(crate) use log::WithTrace;
use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchSpanProcessor, IdGenerator, RandomIdGenerator, SdkTracer, SdkTracerProvider, SpanProcessor},
};
pub use order::{OrderTrace, accepted, join};
use orders::OrderId;
pub use sampling::Finishing;
use sampling::{Requested, Sampling};
use std::{borrow::Cow, sync::OnceLock, thread, time::Duration};
pub use temporal::TraceInterceptor;
use tokio::{runtime::Handle, sync::oneshot, time::timeout};
pub use traceparent::TraceParent;

/// The attribute with the order's id. Every span of an order has it.
pub const ORDER_ID: &str = "order.id";
/// The attribute with the number of an activity's attempt.
pub const ATTEMPT: &str = "order.attempt";
/// The attribute with the code of a step's refusal. A refusal is not an error.
pub const REFUSAL: &str = "order.refusal";
/// The attribute with the part of OrderFlow in which the time is spent. Spans without it belong to
/// the part that their process is.
pub const PART: &str = "order.part";

/// The time limit for an export at the end of a Lambda function's invocation.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);
/// The time limit for the last export of a process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(250);

#[derive(clap::Args, Clone, Debug)]
#[group(id = "trace")]
pub struct Settings {
    /// Where traces are sent: the address of an OTLP endpoint (HTTP with protobuf) such as
    /// `http://127.0.0.1:4318`, or `https://xray.REGION.amazonaws.com`. Without it, nothing is
    /// traced.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = parse_endpoint)]
    pub otlp_endpoint: Option<String>,
    /// The share of traces that are exported whole, from 0 to 1. Of the other traces, only the
    /// spans that end in an error are exported.
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value = "0.05", value_parser = parse_rate)]
    pub traces_sampler_arg: f64,
}

fn parse_endpoint(text: &str) -> Result<String, &'static str> {
    let url = text.parse::<http::Uri>().ok().filter(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some());
    url.map(|_| text.trim_end_matches('/').to_owned()).ok_or("must be an http or https URL")
}

fn parse_rate(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate)).ok_or("must be a number from 0 to 1")
}

struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    sampling: Sampling,
    requested: Requested,
}

static TRACING: OnceLock<Tracing> = OnceLock::new();

/// Starts tracing if it is on. Call it once, in the async runtime, before any client of AWS or
/// Temporal is made. `service` names the process.
///
/// # Errors
/// Fails if the environment contains an OpenTelemetry variable that cannot be used.
pub fn init(settings: &Settings, service: &str) -> Result<(), ExporterBuildError> {
    init_with(settings, service, RandomIdGenerator::default(), |processor| processor)
}

/// As [`init`], with another generator of ids, and a processor around the one that exports.
///
/// # Errors
/// As [`init`].
pub fn init_with<P: SpanProcessor + 'static>(
    settings: &Settings,
    service: &str,
    ids: impl IdGenerator + 'static,
    wrap: impl FnOnce(Finishing<BatchSpanProcessor>) -> P,
) -> Result<(), ExporterBuildError> {
    let Some(endpoint) = &settings.otlp_endpoint else { return Ok(()) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Exporter::new(endpoint, Handle::current()))
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .build()?;
    // Spans wait in a queue of limited length, and a thread of its own sends them. If the queue is
    // full, because the endpoint does not answer, further spans are dropped.
    let processor = wrap(Finishing::new(BatchSpanProcessor::builder(Divided(exporter)).build()));
    let sampling = Sampling::new(settings.traces_sampler_arg);
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder_empty().with_service_name(service.to_owned()).build())
        .with_id_generator(ids)
        .with_sampler(sampling.clone())
        .with_span_processor(processor)
        .build();
    let tracer = provider.tracer("orderflow");
    let _ = TRACING.set(Tracing { provider, tracer, sampling, requested: Requested::default() });
    metrics::exemplify_with(sampled_trace_id);
    Ok(())
}

/// Whether tracing is on in this process.
#[must_use]
pub fn is_on() -> bool {
    TRACING.get().is_some()
}

/// The id of the current trace; `None` if there is none, or if it is not exported whole.
fn sampled_trace_id() -> Option<String> {
    let context = Context::current();
    let span = context.span();
    let ids = span.span_context();
    ids.is_sampled().then(|| ids.trace_id().to_string())
}

/// A tracer for a library that makes spans by itself. `None` if tracing is off.
#[must_use]
pub fn tracer(scope: &'static str) -> Option<SdkTracer> {
    TRACING.get().map(|tracing| tracing.provider.tracer(scope))
}

/// Starts a span below `parent`. `None` if tracing is off.
fn start(parent: &Context, kind: SpanKind, name: impl Into<Cow<'static, str>>, attributes: Vec<KeyValue>) -> Option<Context> {
    let tracing = TRACING.get()?;
    let builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes).with_links(order::links(parent));
    Some(parent.with_span(builder.start_with_context(&tracing.tracer, parent)))
}

/// Starts the span of a request that another process sent. `traceparent` is the header of that
/// name. The span continues the caller's trace. Whether it is sampled is decided here: the rate
/// decides, and callers may ask for a limited number of traces.
pub fn server_span(name: impl Into<Cow<'static, str>>, traceparent: Option<&str>, attributes: Vec<KeyValue>) -> Option<Context> {
    let tracing = TRACING.get()?;
    let parent = match traceparent.and_then(TraceParent::parse) {
        Some(caller) => {
            let sampled = tracing.sampling.includes(caller.trace_id()) || (caller.is_sampled() && tracing.requested.permits_one());
            caller.with_sampled(sampled).context()
        }
        None => Context::new(),
    };
    start(&parent, SpanKind::Server, name, attributes)
}

/// Starts the span of a message from another process of OrderFlow. `header` returns the value of a
/// header or attribute of the message. If the message has no trace context, the span begins a
/// trace.
pub fn consumer_span<'a>(
    name: impl Into<Cow<'static, str>>,
    part: &'static str,
    header: impl Fn(&str) -> Option<&'a str>,
) -> Option<Context> {
    if !is_on() {
        return None;
    }
    let headers = [TRACEPARENT, BAGGAGE].iter().filter_map(|name| Some(((*name).to_owned(), header(name)?.to_owned())));
    start(&Carrier(headers.collect()).context(), SpanKind::Consumer, name, vec![KeyValue::new(PART, part)])
}

/// Starts a span below the current one. `None` if tracing is off, or if the caller is part of no
/// trace, like a loop that looks for work.
pub fn child_span(kind: SpanKind, name: impl Into<Cow<'static, str>>, part: Option<&'static str>) -> Option<Context> {
    if !is_on() {
        return None;
    }
    let parent = Context::current();
    if !parent.has_active_span() {
        return None;
    }
    start(&parent, kind, name, part.map(|part| KeyValue::new(PART, part)).into_iter().collect())
}

/// Starts a span of work on an order that is not in the call tree of the order's request. `None` if
/// tracing is off, or if the order has no trace.
pub fn order_span(
    kind: SpanKind,
    name: impl Into<Cow<'static, str>>,
    part: Option<&'static str>,
    id: OrderId,
    trace: &OrderTrace,
) -> Option<Context> {
    start(&join(id, trace)?, kind, name, part.map(|part| KeyValue::new(PART, part)).into_iter().collect())
}

/// Describes the message of a span. `destination` is the URL or ARN of the queue or topic.
pub fn set_message(span: Option<&Context>, system: &'static str, operation: &'static str, destination: &str) {
    let Some(span) = span else { return };
    let name = destination.rsplit(['/', ':']).next().unwrap_or_default().to_owned();
    span.span().set_attributes([
        KeyValue::new("messaging.system", system),
        KeyValue::new("messaging.operation.name", operation),
        KeyValue::new("messaging.operation.type", operation),
        KeyValue::new("messaging.destination.name", name),
    ]);
}

/// The `traceparent` that makes another system's spans belong below this span.
#[must_use]
pub fn traceparent(span: Option<&Context>) -> Option<String> {
    span.and_then(TraceParent::of).map(|parent| parent.to_string())
}

/// The names and values of headers that pass the current context to another process of OrderFlow.
/// Empty if there is no span.
#[must_use]
pub fn headers() -> Vec<(String, String)> {
    let context = is_on().then(Context::current).filter(Context::has_active_span);
    context.map(|context| Carrier::of(&context).0.into_iter().collect()).unwrap_or_default()
}

/// Runs `work` within a span, if there is one. The span ends with `work`. `code` names an error;
/// `None` means that the error is an expected answer. If `work` is dropped before its end, for
/// example because it took too long, the span ends in an error.
pub async fn run<T, E>(
    span: Option<Context>,
    work: impl Future<Output = Result<T, E>>,
    code: impl FnOnce(&E) -> Option<&'static str>,
) -> Result<T, E> {
    let Some(span) = span else { return work.await };
    let mut unfinished = Unfinished(Some(span.clone()));
    let result = work.with_context(span).await;
    end(unfinished.0.take(), result.as_ref().err().and_then(code));
    result
}

/// A span whose work is not finished.
struct Unfinished(Option<Context>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        end(self.0.take(), Some("cancelled"));
    }
}

/// Runs `work` in this context, if there is one. The span of the context does not end with `work`.
pub async fn within<T>(context: Option<Context>, work: impl Future<Output = T>) -> T {
    match context {
        Some(context) => work.with_context(context).await,
        None => work.await,
    }
}

/// Ends a span. `error` is the code of the error in which it ends.
pub fn end(span: Option<Context>, error: Option<&str>) {
    let Some(span) = span else { return };
    if let Some(code) = error {
        mark_failed(&span, code);
    }
    span.span().end();
}

/// Records that the current span ends in an error.
pub fn fail(code: &str) {
    if is_on() {
        mark_failed(&Context::current(), code);
    }
}

fn mark_failed(span: &Context, code: &str) {
    span.span().set_attribute(KeyValue::new("error.type", code.to_owned()));
    span.span().set_status(Status::error(code.to_owned()));
}

/// Sets an attribute of the current span.
pub fn set(key: &'static str, value: impl Into<opentelemetry::Value>) {
    if is_on() {
        Context::current().span().set_attribute(KeyValue::new(key, value));
    }
}

/// Sends the ended spans that wait. For processes that may be frozen at any time.
pub async fn flush() {
    if let Some(tracing) = TRACING.get()
        && sampling::has_waiting_spans()
    {
        limited(FLUSH_TIMEOUT, || tracing.provider.force_flush()).await;
    }
}

/// Sends the ended spans that wait, and ends tracing. For the end of a process.
pub async fn shut_down() {
    if let Some(tracing) = TRACING.get() {
        limited(SHUTDOWN_TIMEOUT, || tracing.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT)).await;
    }
}

/// Waits for a call that blocks, but not longer than `limit`. The call has a thread of its own: the
/// async runtime must go on, because it does the export, and its own threads would have to end
/// before the process can.
async fn limited<T>(limit: Duration, call: impl FnOnce() -> T + Send + 'static) {
    let (done, is_done) = oneshot::channel();
    thread::spawn(move || {
        call();
        let _ = done.send(());
    });
    let _ = timeout(limit, is_done).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        assert_eq!(parse_endpoint("http://127.0.0.1:4318/"), Ok("http://127.0.0.1:4318".to_owned()));
        assert!(parse_endpoint("127.0.0.1:4318").is_err() && parse_endpoint("grpc://a").is_err());
        assert!(parse_rate("0").is_ok() && parse_rate("1").is_ok());
        assert!(parse_rate("1.1").is_err() && parse_rate("-0.1").is_err() && parse_rate("NaN").is_err() && parse_rate("5%").is_err());
    }
}
