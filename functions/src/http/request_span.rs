//! The span of a request. It continues the trace of the caller, if the request has a `traceparent`.

use super::RequestId;
use axum::{
    extract::MatchedPath,
    http::{HeaderMap, Method},
};
use opentelemetry::{Context, KeyValue, trace::TraceContextExt as _};
use orders::OrderId;
use platform::trace;

/// The span of a request. It is empty if tracing is off.
pub(super) struct RequestSpan(Option<Context>);

impl RequestSpan {
    /// Starts the span of a request for this route. Addresses without a route, and those that are
    /// called again and again to check that something works, have none.
    pub(super) fn start(method: &Method, route: Option<&MatchedPath>, headers: &HeaderMap, request_id: &RequestId) -> Self {
        let Some(route) = route.map(MatchedPath::as_str).filter(|_| trace::is_on()).filter(|route| is_traced(route)) else {
            return Self(None);
        };
        let attributes = vec![
            KeyValue::new("http.request.method", method.as_str().to_owned()),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("request.id", request_id.as_str().to_owned()),
        ];
        let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok());
        Self(trace::server_span(format!("{method} {route}"), traceparent, attributes))
    }

    /// Runs the handler within the span.
    pub(super) async fn around<T>(&self, handler: impl Future<Output = T>) -> T {
        trace::within(self.0.clone(), handler).await
    }

    /// Ends the span with the answer's status. `record` writes the log line and the metrics within
    /// the span.
    pub(super) fn end(self, status: u16, order_id: Option<OrderId>, record: impl FnOnce()) {
        let Some(context) = self.0 else { return record() };
        {
            let _within = context.clone().attach();
            record();
        }
        context.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if let Some(id) = order_id {
            context.span().set_attribute(KeyValue::new(trace::ORDER_ID, id.to_string()));
        }
        let code = status.to_string();
        trace::end(Some(context), (status >= 500).then_some(&code));
    }
}

fn is_traced(route: &str) -> bool {
    !route.starts_with("/api/health") && route != "/api/openapi.json"
}
