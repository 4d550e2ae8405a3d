//! The worker's part of tracing (docs/decisions/0029-traces.md): workflows and activities, SQL
//! statements, and calls of the payment gateway and the carrier.

use crate::{
    db,
    payment::{self, ChargeStatus, Gateway, Payment, Refund, Reversal, Statement},
    shipping::{self, Carrier, Parcel, TrackingStatus},
    sql::order as sql,
};
use deadpool_postgres::Pool;
use futures::future::BoxFuture;
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanKind, TraceContextExt as _},
};
use orders::{OrderId, shipping::ShipmentId};
use platform::trace::{self, OrderTrace, Settings};
use std::{sync::Arc, time::Duration};
use temporalio_sdk::{
    SimplePlugin,
    opentelemetry::{INSTRUMENTATION_SCOPE, OpenTelemetryPlugin, WorkflowIdGenerator, WorkflowSpanProcessor},
};

/// Starts tracing if it is on. A workflow's spans have the same ids when it is replayed, and a
/// replay exports none of them again.
pub(crate) fn init(settings: &Settings) -> anyhow::Result<()> {
    Ok(trace::init_with(settings, "orderflow-worker", WorkflowIdGenerator::default(), WorkflowSpanProcessor::new)?)
}

/// The plugin that makes the spans of workflows and activities. `None` if tracing is off.
pub(crate) fn plugin() -> Option<SimplePlugin> {
    let tracer = trace::tracer(INSTRUMENTATION_SCOPE)?;
    Some(OpenTelemetryPlugin::builder().tracer(tracer).build())
}

/// Starts the span of an SQL statement. `name` is the path of its file.
pub(crate) fn statement_span(name: &'static str) -> Option<Context> {
    let span = trace::child_span(SpanKind::Client, name, Some("postgres"))?;
    span.span().set_attributes([KeyValue::new("db.system.name", "postgresql"), KeyValue::new("db.query.summary", name)]);
    Some(span)
}

/// Ends the span of an SQL statement. Its error is the SQLSTATE, because the text of an error may
/// contain values.
pub(crate) fn end_statement(span: Option<Context>, error: Option<&tokio_postgres::Error>) {
    if span.is_some() {
        trace::end(span, error.map(|error| error.code().map_or("connection", |code| code.code())));
    }
}

/// The code of an error for a span.
pub(crate) fn code(error: &anyhow::Error) -> &'static str {
    if error.chain().any(<dyn std::error::Error>::is::<tokio_postgres::Error>) { "postgres" } else { "failed" }
}

/// Runs work on an order in the order's trace, although its caller belongs to another trace. The
/// two traces then have links to each other.
pub(crate) async fn in_order_trace<T>(pool: &Pool, id: OrderId, name: &'static str, work: impl Future<Output = T>) -> T {
    if !trace::is_on() {
        return work.await;
    }
    let span = trace::order_span(SpanKind::Internal, name, None, id, &find(pool, id).await);
    let result = trace::within(span.clone(), work).await;
    trace::end(span, None);
    result
}

/// The trace context of an order. If it cannot be read, work on the order is not traced.
pub(crate) async fn find(pool: &Pool, id: OrderId) -> OrderTrace {
    if !trace::is_on() {
        return OrderTrace::default();
    }
    let read = async { anyhow::Ok(sql::find_trace(&db::connection(pool).await?, &id.to_string()).await?) };
    let found = read.await.unwrap_or_default().and_then(|found| found.traceparent);
    OrderTrace::stored(found.as_deref())
}

/// A payment gateway whose calls are spans.
pub(crate) struct TracedGateway(Arc<dyn Gateway>);

impl TracedGateway {
    /// The gateway itself if tracing is off.
    pub(crate) fn around(gateway: Arc<dyn Gateway>) -> Arc<dyn Gateway> {
        if trace::is_on() { Arc::new(Self(gateway)) } else { gateway }
    }

    fn call<'a, T, E>(
        &self,
        name: &'static str,
        call: BoxFuture<'a, Result<T, E>>,
        code: impl FnOnce(&E) -> Option<&'static str> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, E>>
    where
        T: Send + 'a,
        E: Send + 'a,
    {
        let span = trace::child_span(SpanKind::Client, name, Some("gateway"));
        if let Some(span) = &span {
            span.span().set_attribute(KeyValue::new("payment.gateway", self.0.name()));
        }
        Box::pin(trace::run(span, call, code))
    }
}

/// A refusal is an answer and no error.
fn gateway_code(error: &payment::Error) -> Option<&'static str> {
    match error {
        payment::Error::Declined(_) => None,
        payment::Error::Unavailable(_) => Some("unavailable"),
        payment::Error::TemporarilyRefused(_) => Some("temporarily refused"),
        payment::Error::Mismatch(_) => Some("mismatch"),
    }
}

fn unavailable(_error: &anyhow::Error) -> Option<&'static str> {
    Some("unavailable")
}

impl Gateway for TracedGateway {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn authorize<'a>(&'a self, payment: &'a Payment, payment_method: &'a str) -> BoxFuture<'a, Result<String, payment::Error>> {
        self.call("gateway authorize", self.0.authorize(payment, payment_method), gateway_code)
    }

    fn capture<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<(), payment::Error>> {
        self.call("gateway capture", self.0.capture(payment), gateway_code)
    }

    fn look_up<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<ChargeStatus>> {
        self.call("gateway look up", self.0.look_up(payment), unavailable)
    }

    fn reverse<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Reversal>> {
        self.call("gateway reverse", self.0.reverse(payment), unavailable)
    }

    fn refund<'a>(&'a self, payment: &'a Payment, refund: &'a Refund) -> BoxFuture<'a, Result<(), payment::Error>> {
        self.call("gateway refund", self.0.refund(payment, refund), gateway_code)
    }

    fn statement<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Statement, payment::Error>> {
        self.call("gateway statement", self.0.statement(payment), gateway_code)
    }
}

/// A carrier whose calls are spans.
pub(crate) struct TracedCarrier(Arc<dyn Carrier>);

impl TracedCarrier {
    /// The carrier itself if tracing is off.
    pub(crate) fn around(carrier: Arc<dyn Carrier>) -> Arc<dyn Carrier> {
        if trace::is_on() { Arc::new(Self(carrier)) } else { carrier }
    }
}

fn call_carrier<'a, T: Send + 'a, E: Send + 'a>(
    name: &'static str,
    call: BoxFuture<'a, Result<T, E>>,
    code: impl FnOnce(&E) -> Option<&'static str> + Send + 'a,
) -> BoxFuture<'a, Result<T, E>> {
    Box::pin(trace::run(trace::child_span(SpanKind::Client, name, Some("carrier")), call, code))
}

impl Carrier for TracedCarrier {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn book<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Result<TrackingStatus, shipping::Error>> {
        call_carrier("carrier book", self.0.book(parcel), |error| match error {
            shipping::Error::Refused(_) => None,
            shipping::Error::Unavailable(_) => Some("unavailable"),
        })
    }

    fn track<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<TrackingStatus>> {
        call_carrier("carrier track", self.0.track(id), unavailable)
    }

    fn cancel_shipment<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<TrackingStatus>> {
        call_carrier("carrier cancel", self.0.cancel_shipment(id), unavailable)
    }

    fn polling_interval(&self) -> Option<Duration> {
        self.0.polling_interval()
    }
}
