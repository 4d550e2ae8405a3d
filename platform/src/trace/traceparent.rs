//! The header `traceparent` (<https://www.w3.org/TR/trace-context/#traceparent-header>).

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use std::fmt;

/// A trace, and the span in it below which further spans belong.
///
/// Its text has 55 characters and is stored with an order, so a longer or malformed header is not
/// taken. `tracestate` is not taken either: nothing here reads it, and it may be long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(SpanContext);

impl TraceParent {
    /// Parses a header, also one of a later version, of which only the known fields are used.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.splitn(5, '-').collect();
        let [version, trace_id, span_id, flags, ref rest @ ..] = fields[..] else { return None };
        let is_hex = |field: &str, length| field.len() == length && field.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !(is_hex(version, 2) && is_hex(trace_id, 32) && is_hex(span_id, 16) && is_hex(flags, 2)) {
            return None;
        }
        if version == "ff" || (version == "00" && !rest.is_empty()) {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
        let (trace_id, span_id) = (TraceId::from_hex(trace_id).ok()?, SpanId::from_hex(span_id).ok()?);
        Self::new(trace_id, span_id, flags)
    }

    /// The current span of a context.
    pub(super) fn of(context: &Context) -> Option<Self> {
        let span = context.span();
        let span = span.span_context();
        Self::new(span.trace_id(), span.span_id(), span.trace_flags())
    }

    fn new(trace_id: TraceId, span_id: SpanId, flags: TraceFlags) -> Option<Self> {
        let context = SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE);
        context.is_valid().then_some(Self(context))
    }

    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.0.trace_id()
    }

    /// Whether the trace is exported whole.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.0.is_sampled()
    }

    pub(super) fn span_context(&self) -> &SpanContext {
        &self.0
    }

    pub(super) fn with_sampled(&self, sampled: bool) -> Self {
        let flags = self.0.trace_flags().with_sampled(sampled);
        Self(SpanContext::new(self.0.trace_id(), self.0.span_id(), flags, true, TraceState::NONE))
    }

    /// The same trace below another span.
    pub(super) fn below(&self, span_id: SpanId) -> Option<Self> {
        Self::new(self.0.trace_id(), span_id, self.0.trace_flags())
    }

    /// A context whose spans are below this one.
    pub(super) fn context(&self) -> Context {
        Context::new().with_remote_span_context(self.0.clone())
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.0.trace_id(), self.0.span_id(), self.0.trace_flags())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_header_is_taken() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceParent::parse(header).unwrap().to_string(), header);
        let later = TraceParent::parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-more-than-this").unwrap();
        assert_eq!(later.to_string(), header, "a later version, of which only the known fields and flags are used");
        for wrong in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong}");
        }
    }
}
