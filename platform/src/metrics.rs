//! OrderFlow's metrics, for Prometheus. [`list`] defines all of them; `docs/metrics.md` is
//! generated from it.
//!
//! - Names follow Prometheus: durations are in seconds, a counter ends in `_total`.
//! - Each label has a bounded set of values. A value that is not in its list is written as `other`.
//! - A counter whose labels all have lists starts at 0 for each combination. So a first error is an
//!   increase from 0, and not a new series, whose increase Prometheus does not see.
//! - A gauge is read for each answer ([`Readings`]). If it cannot be read in time, it is absent from
//!   the answer. It never has an old value.
//! - The answer is in the OpenMetrics format. Its histograms name the trace of one of their values
//!   (an exemplar), if traces are recorded ([`exemplify_with`]).

mod exposition;
pub mod list;

pub use exposition::{CONTENT_TYPE, encode};
use prometheus_client::metrics::{
    counter::Counter as RawCounter,
    exemplar::HistogramWithExemplars,
    family::{Family, MetricConstructor},
};
use std::{
    borrow::Cow,
    sync::{OnceLock, atomic::AtomicU64},
    time::{Duration, SystemTime},
};

/// What a metric is: the name that Prometheus shows, and everything that its page says about it.
#[derive(Debug)]
pub struct Definition {
    pub name: &'static str,
    /// What a value means. A sentence without its full stop.
    pub help: &'static str,
    pub labels: &'static [Label],
    pub served_by: Program,
    /// The condition under which the metric is there; `None` if it is there from the first order
    /// on.
    pub only_if: Option<&'static str>,
}

impl Definition {
    /// A metric that is there from the first order on.
    #[must_use]
    pub const fn new(served_by: Program, name: &'static str, help: &'static str, labels: &'static [Label]) -> Self {
        Self { name, help, labels, served_by, only_if: None }
    }

    /// A metric that is there only under this condition.
    #[must_use]
    pub const fn only_if(self, condition: &'static str) -> Self {
        Self { only_if: Some(condition), ..self }
    }

    /// The labels with these values. A value that is not listed becomes `other`.
    fn labels(&self, values: &[&str]) -> Labels {
        debug_assert_eq!(values.len(), self.labels.len(), "{}", self.name);
        self.labels.iter().zip(values).map(|(label, value)| (label.name, label.bounded(value))).collect()
    }
}

/// The program that serves a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Api,
    Worker,
    /// Both, each for itself.
    Each,
}

impl Program {
    /// Whether `program` serves the metrics of `self`.
    #[must_use]
    pub fn includes(self, program: Self) -> bool {
        self == Self::Each || self == program
    }
}

#[derive(Debug)]
pub struct Label {
    pub name: &'static str,
    pub values: Values,
}

/// The values that a label may have.
#[derive(Debug)]
pub enum Values {
    /// One of these, or `other`.
    Listed(&'static [&'static str]),
    /// The text says what bounds the values.
    Bounded(&'static str),
}

impl Label {
    fn bounded(&self, value: &str) -> Cow<'static, str> {
        match self.values {
            Values::Listed(list) => Cow::Borrowed(list.iter().find(|known| **known == value).copied().unwrap_or(OTHER)),
            Values::Bounded(_) => Cow::Owned(value.to_owned()),
        }
    }
}

/// The value of a label for everything that its list does not name.
const OTHER: &str = "other";

type Labels = Vec<(&'static str, Cow<'static, str>)>;
type CounterFamily = Family<Labels, RawCounter<f64, AtomicU64>>;
type HistogramFamily = Family<Labels, HistogramWithExemplars<TraceLabel>, Buckets>;
/// The label of an exemplar.
type TraceLabel = [(&'static str, String); 1];

/// A number that only grows, until its process ends.
#[derive(Debug)]
pub struct Counter {
    pub definition: Definition,
    family: OnceLock<CounterFamily>,
}

impl Counter {
    #[must_use]
    pub const fn new(definition: Definition) -> Self {
        Self { definition, family: OnceLock::new() }
    }

    /// Adds 1. The values are those of the definition's labels, in the same sequence.
    pub fn increment(&self, values: &[&str]) {
        self.add(1.0, values);
    }

    pub fn add(&self, amount: f64, values: &[&str]) {
        self.family().get_or_create(&self.definition.labels(values)).inc_by(amount);
    }

    /// The number so far.
    #[must_use]
    pub fn total(&self, values: &[&str]) -> f64 {
        self.family().get(&self.definition.labels(values)).map_or(0.0, |counter| counter.get())
    }

    /// Makes the series with these values exist, at 0.
    pub fn create(&self, values: &[&str]) {
        drop(self.family().get_or_create(&self.definition.labels(values)));
    }

    fn family(&self) -> &CounterFamily {
        self.family.get_or_init(Family::default)
    }

    /// Makes the series of all combinations of listed values exist, at 0.
    fn create_all(&self) {
        let lists = self.definition.labels.iter().map(|label| match label.values {
            Values::Listed(list) => Some(list),
            Values::Bounded(_) => None,
        });
        let Some(lists) = lists.collect::<Option<Vec<_>>>() else { return };
        let combinations = lists.into_iter().fold(vec![Vec::new()], |rows, list| {
            rows.iter().flat_map(|row| list.iter().map(|value| [row.as_slice(), &[*value]].concat())).collect()
        });
        combinations.iter().for_each(|values| self.create(values));
    }
}

/// The distribution of a duration.
#[derive(Debug)]
pub struct Histogram {
    pub definition: Definition,
    /// The upper bounds of the buckets, in seconds.
    pub buckets: &'static [f64],
    family: OnceLock<HistogramFamily>,
}

impl Histogram {
    #[must_use]
    pub const fn new(buckets: &'static [f64], definition: Definition) -> Self {
        Self { definition, buckets, family: OnceLock::new() }
    }

    /// Records a duration, with the current trace as its exemplar.
    pub fn observe(&self, took: Duration, values: &[&str]) {
        let trace = current_trace_id().map(|id| [("trace_id", id)]);
        let now = trace.is_some().then(SystemTime::now);
        self.family().get_or_create(&self.definition.labels(values)).observe(took.as_secs_f64(), trace, now);
    }

    fn family(&self) -> &HistogramFamily {
        self.family.get_or_init(|| Family::new_with_constructor(Buckets(self.buckets)))
    }
}

#[derive(Clone, Debug)]
struct Buckets(&'static [f64]);

impl MetricConstructor<HistogramWithExemplars<TraceLabel>> for Buckets {
    fn new_metric(&self) -> HistogramWithExemplars<TraceLabel> {
        HistogramWithExemplars::new(self.0.iter().copied())
    }
}

/// A number that is read for each answer.
#[derive(Debug)]
pub struct Gauge {
    pub definition: Definition,
}

impl Gauge {
    #[must_use]
    pub const fn new(definition: Definition) -> Self {
        Self { definition }
    }
}

/// A metric of any type.
#[derive(Clone, Copy, Debug)]
pub enum Metric {
    Counter(&'static Counter),
    Histogram(&'static Histogram),
    Gauge(&'static Gauge),
}

impl Metric {
    #[must_use]
    pub fn definition(self) -> &'static Definition {
        match self {
            Self::Counter(counter) => &counter.definition,
            Self::Histogram(histogram) => &histogram.definition,
            Self::Gauge(gauge) => &gauge.definition,
        }
    }

    /// The name of the type in Prometheus.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Histogram(_) => "histogram",
            Self::Gauge(_) => "gauge",
        }
    }
}

/// The gauges of one answer.
#[derive(Debug, Default)]
pub struct Readings(Vec<(&'static Gauge, Labels, f64)>);

impl Readings {
    pub fn set(&mut self, gauge: &'static Gauge, values: &[&str], value: f64) {
        self.0.push((gauge, gauge.definition.labels(values), value));
    }

    /// Sets a count. Counts above 2^53 are not exact.
    #[expect(clippy::cast_precision_loss, reason = "a count of rows or seconds is far below 2^53")]
    pub fn count(&mut self, gauge: &'static Gauge, values: &[&str], count: u64) {
        self.set(gauge, values, count as f64);
    }

    /// Adds the readings of another source.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Creates the program's counters whose labels are listed, each at 0. Call it at the start.
pub fn initialise(program: Program) {
    for metric in list::ALL {
        if let Metric::Counter(counter) = metric
            && counter.definition.served_by.includes(program)
        {
            counter.create_all();
        }
    }
}

/// Readings that say which build of the program runs. The others are added to them.
#[must_use]
pub fn build_info(program: &str, release: Option<&str>) -> Readings {
    let mut readings = Readings::default();
    readings.set(&list::BUILD_INFO, &[program, env!("CARGO_PKG_VERSION"), release.unwrap_or("none")], 1.0);
    readings
}

static TRACE_ID: OnceLock<fn() -> Option<String>> = OnceLock::new();

/// Sets the function that returns the id of the current trace, for the exemplars. Without it, there
/// are no exemplars. Only the first call counts.
pub fn exemplify_with(current_trace_id: fn() -> Option<String>) {
    let _ = TRACE_ID.set(current_trace_id);
}

/// The id of the current trace; `None` if none is recorded.
fn current_trace_id() -> Option<String> {
    TRACE_ID.get()?()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_follow_prometheus() {
        let mut names = HashSet::new();
        for metric in list::ALL {
            let Definition { name, help, labels, .. } = metric.definition();
            assert!(names.insert(name), "{name} is defined twice");
            assert!(name.starts_with("orderflow_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), matches!(metric, Metric::Counter(_)), "{name}");
            assert!(!matches!(metric, Metric::Histogram(_)) || name.ends_with("_seconds"), "{name} has no unit");
            assert!(!name.contains("_total_") && !name.contains("millis") && !name.contains("_ms"), "{name}");
            assert!(!help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
            for label in *labels {
                assert!(!["le", "quantile", "job", "instance"].contains(&label.name), "{name}: {}", label.name);
                if let Values::Listed(values) = label.values {
                    assert!(!values.is_empty() && values.len() <= 20, "{name}: {}", label.name);
                    assert_eq!(values.len(), values.iter().collect::<HashSet<_>>().len(), "{name}: {}", label.name);
                }
            }
        }
    }

    #[test]
    fn buckets_ascend() {
        for metric in list::ALL {
            if let Metric::Histogram(histogram) = metric {
                assert!(histogram.buckets.is_sorted_by(|one, next| one < next), "{}", histogram.definition.name);
            }
        }
    }
}
