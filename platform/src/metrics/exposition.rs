//! The text that Prometheus reads: OpenMetrics 1.0.

use super::{Definition, Labels, Metric, Readings, list};
use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::{family::Family, gauge::Gauge as RawGauge},
    registry::{Metric as Registrable, Registry, Unit},
};
use std::{
    fmt,
    sync::{LazyLock, atomic::AtomicU64},
};

/// The content type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The counters and histograms. Those of the other program are empty, and empty ones are not
/// written.
static RECORDED: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    for metric in list::ALL {
        match metric {
            Metric::Counter(counter) => register(&mut registry, &counter.definition, counter.family().clone()),
            Metric::Histogram(histogram) => register(&mut registry, &histogram.definition, histogram.family().clone()),
            Metric::Gauge(_) => {}
        }
    }
    registry
});

/// Writes all metrics. `appended` are those of another exporter of this process, in Prometheus's
/// older text format.
///
/// # Errors
/// Fails only if a value cannot be formatted.
pub fn encode(readings: &Readings, appended: &str) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode_registry(&mut text, &RECORDED)?;
    encode_registry(&mut text, &gauges(readings))?;
    append(&mut text, appended);
    encode_eof(&mut text)?;
    Ok(text)
}

fn gauges(readings: &Readings) -> Registry {
    let mut registry = Registry::default();
    for gauge in list::ALL {
        let Metric::Gauge(gauge) = gauge else { continue };
        let family = Family::<Labels, RawGauge<f64, AtomicU64>>::default();
        for (_, labels, value) in readings.0.iter().filter(|(read, ..)| std::ptr::eq(*read, *gauge)) {
            family.get_or_create(labels).set(*value);
        }
        register(&mut registry, &gauge.definition, family);
    }
    registry
}

/// The crate adds the suffixes for counters and units itself.
fn register(registry: &mut Registry, definition: &Definition, metric: impl Registrable) {
    let name = definition.name;
    match name.strip_suffix("_seconds") {
        Some(name) => registry.register_with_unit(name, definition.help, Unit::Seconds, metric),
        None => registry.register(name.strip_suffix("_total").unwrap_or(name), definition.help, metric),
    }
}

/// Appends text in the older format. OpenMetrics differs in this: a counter's family has no
/// `_total`, and there are no empty lines and no other comments. If a counter of the other exporter
/// has a name that ends in `_total` itself, its exporter has added a second one.
fn append(text: &mut String, appended: &str) {
    let appended = appended.replace("_total_total", "_total");
    for line in appended.lines().filter(|line| !line.is_empty()) {
        let Some(comment) = line.strip_prefix("# ") else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(keyword @ ("HELP" | "TYPE")), Some(name), rest) = (words.next(), words.next(), words.next()) else { continue };
        let family = name.strip_suffix("_total").unwrap_or(name);
        text.push_str(&format!("# {keyword} {family} {}\n", rest.unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Program, build_info, exemplify_with, initialise};
    use std::time::Duration;

    #[test]
    fn the_text_is_open_metrics() {
        exemplify_with(|| Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()));
        initialise(Program::Worker);
        list::ORDERS_ENDED.increment(&["COMPLETED"]);
        list::ORDERS_ENDED.increment(&["a status of a later release"]);
        list::ORDER_STATUS_DURATION.observe(Duration::from_millis(300), &["COMPLETED"]);
        let mut readings = build_info("worker", None);
        readings.count(&list::EVENTS_LAG, &[], 7);
        let sdk = "# HELP temporal_request_total Requests\n# TYPE temporal_request_total counter\ntemporal_request_total 2\n\n# a note\n\
            # TYPE temporal_local_activity_total_total counter\ntemporal_local_activity_total_total{queue=\"a\"} 3\n";
        let text = encode(&readings, sdk).unwrap();
        for line in [
            "# TYPE orderflow_orders_ended counter",
            "orderflow_orders_ended_total{status=\"COMPLETED\"} 1.0",
            "orderflow_orders_ended_total{status=\"FAILED\"} 0.0",
            "orderflow_orders_ended_total{status=\"other\"} 1.0",
            "# UNIT orderflow_order_status_duration_seconds seconds",
            "# TYPE orderflow_events_lag_seconds gauge",
            "orderflow_events_lag_seconds 7.0",
            "# TYPE temporal_request counter",
            "temporal_request_total 2",
            "# TYPE temporal_local_activity counter",
            "temporal_local_activity_total{queue=\"a\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
        let bucket = "orderflow_order_status_duration_seconds_bucket{le=\"0.5\",status=\"COMPLETED\"} 1 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 0.3";
        assert!(text.contains(bucket), "{text}");
        assert!(text.ends_with("\n# EOF\n") && !text.contains("a note") && !text.contains("\n\n"), "{text}");
    }

    #[test]
    fn what_was_not_read_is_absent() {
        assert!(!encode(&Readings::default(), "").unwrap().contains("orderflow_notifications_lag_seconds"));
    }
}
