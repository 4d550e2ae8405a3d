//! Which spans are exported, and what they contain.
//!
//! The first process of a trace decides by the trace's id whether the trace is sampled. All other
//! processes follow that decision. A span of a trace that is not sampled is recorded nevertheless,
//! and it is exported if it ends in an error. So an error is always found, with the failed calls
//! that caused it, but without the calls that succeeded.

use super::{ORDER_ID, REFUSAL};
use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    trace::{Link, SpanContext, SpanKind, Status, TraceContextExt as _, TraceId},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample, Span, SpanData, SpanProcessor},
};
use orders::activities::Refusal;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// The scope of the spans that Temporal's SDK makes. Their errors are debug texts.
const TEMPORAL_SCOPE: &str = "temporalio-sdk";
/// The spans of workflow code last as long as their workflow or its steps, which may be weeks. They
/// are not recorded unless the trace is sampled.
const WORKFLOW_SPANS: [&str; 3] = ["RunWorkflow:", "StartActivity:", "HandleSignal:"];
/// How many traces a process samples because their callers ask for it, and in which time. A caller
/// may be anybody.
const REQUESTED_TRACES: u32 = 10;
const REQUESTED_PERIOD: Duration = Duration::from_secs(1);

/// Whether a span was handed to the exporter since the last flush.
static HAS_WAITING_SPANS: AtomicBool = AtomicBool::new(false);

/// Whether spans may wait for their export. The next call returns false unless there are new ones.
pub(super) fn has_waiting_spans() -> bool {
    HAS_WAITING_SPANS.swap(false, Relaxed)
}

/// The sampler: follows the parent, and otherwise the rate.
#[derive(Clone, Debug)]
pub(super) struct Sampling(Sampler);

impl Sampling {
    pub(super) fn new(rate: f64) -> Self {
        Self(Sampler::TraceIdRatioBased(rate))
    }

    /// Whether the rate includes the trace with this id.
    pub(super) fn includes(&self, trace_id: TraceId) -> bool {
        self.0.should_sample(None, trace_id, "", &SpanKind::Internal, &[], &[]).decision == SamplingDecision::RecordAndSample
    }
}

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        _kind: &SpanKind,
        _attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        let parent = parent.map(|parent| parent.span().span_context().clone()).filter(SpanContext::is_valid);
        let is_sampled = parent.as_ref().map_or_else(|| self.includes(trace_id), SpanContext::is_sampled);
        let decision = if is_sampled {
            SamplingDecision::RecordAndSample
        } else if WORKFLOW_SPANS.iter().any(|prefix| name.starts_with(prefix)) {
            SamplingDecision::Drop
        } else {
            SamplingDecision::RecordOnly
        };
        SamplingResult {
            decision,
            attributes: Vec::new(),
            trace_state: parent.map(|parent| parent.trace_state().clone()).unwrap_or_default(),
        }
    }
}

/// Counts the traces that are sampled because their callers ask for it.
#[derive(Debug, Default)]
pub(super) struct Requested(Mutex<Option<(Instant, u32)>>);

impl Requested {
    /// Whether one more may be sampled now.
    pub(super) fn permits_one(&self) -> bool {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, count) = match &mut *count {
            Some((since, _)) if since.elapsed() >= REQUESTED_PERIOD => count.insert((Instant::now(), 0)),
            Some(count) => count,
            None => count.insert((Instant::now(), 0)),
        };
        *count += 1;
        *count <= REQUESTED_TRACES
    }
}

/// Finishes spans before they are exported: adds the order's id, removes texts, and passes on only
/// the spans that are sampled or have failed.
#[derive(Debug)]
pub struct Finishing<P>(P);

impl<P> Finishing<P> {
    pub(super) fn new(exporting: P) -> Self {
        Self(exporting)
    }
}

impl<P: SpanProcessor> SpanProcessor for Finishing<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        if let Some(id) = context.baggage().get(ORDER_ID) {
            opentelemetry::trace::Span::set_attribute(span, KeyValue::new(ORDER_ID, id.clone()));
        }
        self.0.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        remove_texts(&mut span);
        let context = &span.span_context;
        if !context.is_sampled() {
            if !matches!(span.status, Status::Error { .. }) {
                return;
            }
            let flags = context.trace_flags().with_sampled(true);
            span.span_context = SpanContext::new(context.trace_id(), context.span_id(), flags, false, context.trace_state().clone());
        }
        HAS_WAITING_SPANS.store(true, Relaxed);
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Replaces the debug texts that Temporal's SDK writes into its spans. They may contain a
/// customer's words. A refusal is no error: the step did its work.
fn remove_texts(span: &mut SpanData) {
    if span.instrumentation_scope.name() != TEMPORAL_SCOPE {
        return;
    }
    span.events = opentelemetry_sdk::trace::SpanEvents::default();
    let Status::Error { description } = &span.status else { return };
    let refused = span.attributes.iter().any(|attribute| attribute.key.as_str() == REFUSAL);
    if refused {
        span.status = Status::Unset;
    } else if let Some(refusal) = named_refusal(description) {
        span.attributes.push(KeyValue::new(REFUSAL, refusal.as_str()));
        span.status = Status::Unset;
    } else {
        let has_code = span.attributes.iter().any(|attribute| attribute.key.as_str() == "error.type");
        if !has_code {
            span.attributes.push(KeyValue::new("error.type", "failed"));
        }
        span.status = Status::error("failed");
    }
}

/// The refusal that the debug text of a failure reports: the failure's type, in quotes.
fn named_refusal(debug: &str) -> Option<Refusal> {
    debug.split('"').skip(1).step_by(2).find_map(Refusal::named)
}

#[cfg(test)]
mod tests {
    use super::{super::kept::Kept, *};
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::{SdkTracerProvider, SimpleSpanProcessor};

    fn exported(rate: f64, scope: &'static str, work: impl FnOnce(&opentelemetry_sdk::trace::SdkTracer)) -> Vec<SpanData> {
        let exporter = Kept::default();
        let processor = Finishing::new(SimpleSpanProcessor::new(exporter.clone()));
        let provider = SdkTracerProvider::builder().with_sampler(Sampling::new(rate)).with_span_processor(processor).build();
        work(&provider.tracer(scope));
        exporter.spans()
    }

    #[test]
    fn of_a_trace_that_is_not_sampled_only_the_errors_are_exported() {
        let spans = exported(0.0, "orderflow", |tracer| {
            let parent = Context::new().with_span(tracer.start("request"));
            let mut failed = tracer.start_with_context("failed", &parent);
            failed.set_status(Status::error("timeout"));
            failed.end();
            tracer.start_with_context("done", &parent).end();
            assert!(!parent.span().span_context().is_sampled(), "the decision is passed on");
        });
        let [failed] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((failed.name.as_ref(), failed.span_context.is_sampled()), ("failed", true));
        assert_eq!(exported(1.0, "orderflow", |tracer| tracer.start("request").end()).len(), 1);
    }

    #[test]
    fn the_texts_of_temporal_are_removed() {
        let spans = exported(1.0, TEMPORAL_SCOPE, |tracer| {
            let mut span = tracer.start("RunActivity:CancelOrder");
            span.add_event("exception", vec![KeyValue::new("exception.message", "please call jane@example.test")]);
            span.set_status(Status::error("Failed { message: \"please call jane@example.test\" }"));
            span.end();
            let mut span = tracer.start("StartActivity:ProcessPayment");
            span.set_status(Status::error("Failed { message: \"declined\", info: { type: \"PaymentDeclined\" } }"));
            span.end();
        });
        assert!(!format!("{spans:?}").contains("jane"));
        assert_eq!((&spans[0].status, &spans[1].status), (&Status::error("failed"), &Status::Unset));
        assert!(spans[1].attributes.contains(&KeyValue::new(REFUSAL, "PaymentDeclined")));
    }

    #[test]
    fn callers_may_ask_for_a_limited_number_of_traces() {
        let requested = Requested::default();
        assert_eq!((0..100).filter(|_| requested.permits_one()).count(), 10);
    }
}
