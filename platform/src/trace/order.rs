//! How work finds the trace of its order.
//!
//! Work within the call tree of the order's request gets the trace context with its call: in a
//! header, a message attribute or a Temporal header. Two entries of W3C Baggage go with it: the
//! order's id, which becomes an attribute of each span, and the span in which the order was
//! accepted. The order's trace context, that is the trace with this span, is stored with the order
//! in Postgres and in the read model. All other work, such as a refund, a notification or an event,
//! reads it there, and its spans are below the span in which the order was accepted.

use super::{ORDER_ID, TRACING, TraceParent, is_on, set};
use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    trace::{Link, SpanContext, SpanId, TraceContextExt as _},
};
use orders::OrderId;

/// The baggage entry with the span in which the order was accepted.
const ACCEPTED_IN: &str = "order.span";

/// The span that caused the work in a context, if it belongs to another trace.
struct CausedBy(SpanContext);

/// The trace context of an order, as it is stored with the order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderTrace(Option<TraceParent>);

impl OrderTrace {
    /// Reads the stored text. A malformed text counts as none.
    #[must_use]
    pub fn stored(text: Option<&str>) -> Self {
        Self(text.and_then(TraceParent::parse))
    }

    /// The trace context of the order that the current span works on. None if tracing is off, or
    /// if the current span has no order.
    #[must_use]
    pub fn current() -> Self {
        if !is_on() {
            return Self(None);
        }
        let context = Context::current();
        let accepted_in = context.baggage().get(ACCEPTED_IN).and_then(|id| SpanId::from_hex(id.as_str()).ok());
        Self(accepted_in.and_then(|span| TraceParent::of(&context)?.below(span)))
    }

    /// The text to store.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.0.as_ref().map(ToString::to_string)
    }

    #[must_use]
    pub fn parent(&self) -> Option<&TraceParent> {
        self.0.as_ref()
    }
}

/// The context for the rest of a request that has accepted an order: the current span is the one in
/// which the order was accepted. `None` if tracing is off.
#[must_use]
pub fn accepted(id: OrderId) -> Option<Context> {
    TRACING.get()?;
    set(ORDER_ID, id.to_string());
    let context = Context::current();
    let span = context.span().span_context().span_id();
    Some(with_order(&context, id, span))
}

/// The context for work on an order that belongs to the order's trace. Spans that are made in it
/// have a link to the current span, and the current span has a link to the order's trace. `None` if
/// tracing is off, or if the order has no trace.
#[must_use]
pub fn join(id: OrderId, trace: &OrderTrace) -> Option<Context> {
    TRACING.get()?;
    let order = trace.parent()?;
    let context = with_order(&order.context(), id, order.span_context().span_id());
    let current = Context::current();
    let span = current.span();
    let cause = span.span_context();
    if !cause.is_valid() {
        return Some(context);
    }
    span.set_attribute(KeyValue::new(ORDER_ID, id.to_string()));
    if cause.trace_id() == order.trace_id() {
        // The caller has continued the order's trace by itself.
        return Some(with_order(&current, id, order.span_context().span_id()));
    }
    span.add_link(order.span_context().clone(), Vec::new());
    Some(context.with_value(CausedBy(cause.clone())))
}

/// The links of a span that is made in this context.
pub(super) fn links(context: &Context) -> Vec<Link> {
    let cause = context.get::<CausedBy>().filter(|_| context.span().span_context().is_remote());
    cause.map(|CausedBy(span)| Link::new(span.clone(), Vec::new(), 0)).into_iter().collect()
}

fn with_order(context: &Context, id: OrderId, accepted_in: SpanId) -> Context {
    context.with_baggage([KeyValue::new(ORDER_ID, id.to_string()), KeyValue::new(ACCEPTED_IN, accepted_in.to_string())])
}
