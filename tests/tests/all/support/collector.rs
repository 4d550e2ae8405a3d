//! A small OTLP receiver: it keeps every span that OrderFlow exports.

use anyhow::{Context as _, Result};
use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::status::StatusCode,
};
use prost::Message as _;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// A span as it was exported.
#[derive(Clone, Debug)]
pub(crate) struct Exported {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty if the span has no parent.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) failed: bool,
    /// The traces to which the span has links.
    pub(crate) links: Vec<String>,
    attributes: Vec<KeyValue>,
}

impl Exported {
    /// An attribute as text.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        attribute(&self.attributes, key)
    }
}

#[derive(Clone)]
pub(crate) struct Collector {
    /// The address for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) endpoint: String,
    received: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    spans: Vec<Exported>,
    /// All that was received, as text.
    text: String,
}

impl Collector {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let received: Arc<Mutex<Received>> = Arc::default();
        let app = Router::new().route("/v1/traces", post(receive)).with_state(received.clone());
        let endpoint = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { endpoint, received })
    }

    pub(crate) fn spans(&self) -> Vec<Exported> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).spans.clone()
    }

    /// All that was received, as text.
    pub(crate) fn text(&self) -> String {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).text.clone()
    }

    /// The only span of this trace with this name and, if there are several, with this parent.
    pub(crate) fn span(&self, trace: &str, name: &str) -> Result<Exported> {
        let found = self.spans().into_iter().find(|span| span.trace == trace && span.name == name);
        found.with_context(|| format!("no span {name}; there are:\n{}", self.names(trace)))
    }

    /// The names of a trace's spans, each with the name of its parent.
    pub(crate) fn names(&self, trace: &str) -> String {
        let spans: Vec<Exported> = self.spans().into_iter().filter(|span| span.trace == trace).collect();
        let parent = |span: &Exported| spans.iter().find(|other| other.id == span.parent).map_or("-", |parent| &parent.name).to_owned();
        let lines = spans
            .iter()
            .map(|span| format!("{} < {}{} ({})", span.name, parent(span), if span.failed { ", failed" } else { "" }, span.service));
        lines.collect::<Vec<_>>().join("\n")
    }
}

async fn receive(State(received): State<Arc<Mutex<Received>>>, body: Bytes) -> Vec<u8> {
    let request = ExportTraceServiceRequest::decode(body).expect("an export");
    let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
    received.text += &format!("{request:?}\n");
    for resource in request.resource_spans {
        let service = resource.resource.and_then(|resource| attribute(&resource.attributes, "service.name")).unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            received.spans.push(Exported {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                failed: span.status.is_some_and(|status| status.code() == StatusCode::Error),
                links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
                name: span.name,
                service: service.clone(),
                attributes: span.attributes,
            });
        }
    }
    Vec::new()
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
