//! The form in which a context goes to another process of OrderFlow: W3C Trace Context and Baggage.

use super::TraceParent;
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use std::collections::BTreeMap;

/// The names of the headers or message attributes.
pub const TRACEPARENT: &str = "traceparent";
pub const BAGGAGE: &str = "baggage";

/// The headers of a context.
#[derive(Debug, Default)]
pub(super) struct Carrier(pub(super) BTreeMap<String, String>);

impl Injector for Carrier {
    fn set(&mut self, key: &str, value: String) {
        // There is never a trace state. An empty one need not be sent and stored.
        if !value.is_empty() {
            self.0.insert(key.to_owned(), value);
        }
    }
}

impl Extractor for Carrier {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

impl Carrier {
    pub(super) fn of(context: &Context) -> Self {
        let mut carrier = Self::default();
        TraceContextPropagator::new().inject_context(context, &mut carrier);
        BaggagePropagator::new().inject_context(context, &mut carrier);
        carrier
    }

    /// The context of the sender. Without a valid `traceparent`, it is empty.
    pub(super) fn context(&self) -> Context {
        let sender = self.0.get(TRACEPARENT).and_then(|text| TraceParent::parse(text));
        let Some(sender) = sender else { return Context::new() };
        BaggagePropagator::new().extract_with_context(&Context::new(), self).with_remote_span_context(sender.span_context().clone())
    }
}
