//! Divides batches of spans, because X-Ray refuses a request whose spans are more than a day apart.
//! The span of a workflow may have begun weeks before the other spans of its batch. It must not
//! take them with it.

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use std::time::Duration;

/// The longest time between the starts of two spans in a request. X-Ray permits a day.
const MAX_APART: Duration = Duration::from_secs(12 * 3600);

/// An exporter that sends spans which began at very different times in several requests.
#[derive(Debug)]
pub(super) struct Divided<E>(pub(super) E);

impl<E: SpanExporter> SpanExporter for Divided<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut result = Ok(());
        for part in divide(batch) {
            result = result.and(self.0.export(part).await);
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// The newest spans come first, because the time for an export may be limited.
fn divide(mut batch: Vec<SpanData>) -> Vec<Vec<SpanData>> {
    batch.sort_by_key(|span| span.start_time);
    let mut parts = Vec::new();
    while let Some(newest) = batch.last() {
        let newest = newest.start_time;
        let is_far = |span: &SpanData| newest.duration_since(span.start_time).is_ok_and(|apart| apart > MAX_APART);
        let near = batch.partition_point(is_far);
        parts.push(batch.split_off(near));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{super::kept::Kept, *};
    use opentelemetry::trace::{Span as _, SpanBuilder, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use std::time::{SystemTime, UNIX_EPOCH};

    fn spans(hours_ago: &[u64]) -> Vec<SpanData> {
        let exporter = Kept::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let tracer = provider.tracer("test");
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for hours in hours_ago {
            let began: SystemTime = now - Duration::from_secs(hours * 3600);
            tracer.build(SpanBuilder::from_name(hours.to_string()).with_start_time(began)).end();
        }
        exporter.spans()
    }

    fn parts(hours_ago: &[u64]) -> Vec<Vec<String>> {
        divide(spans(hours_ago)).iter().map(|part| part.iter().map(|span| span.name.to_string()).collect()).collect()
    }

    #[test]
    fn spans_that_began_days_apart_are_sent_apart() {
        assert_eq!(parts(&[0, 72, 1, 80, 30]), [vec!["1", "0"], vec!["30"], vec!["80", "72"]]);
        assert_eq!(parts(&[2, 3]), [["3", "2"]]);
        assert!(parts(&[]).is_empty());
    }
}
