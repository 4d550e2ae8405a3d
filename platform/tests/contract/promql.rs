//! What a PromQL expression names: its metrics, and its labels.

use platform::metrics::{Metric, Values::Listed, list::ALL};
use std::collections::BTreeSet;

/// The families of the SDK's and the server's metrics, and of Prometheus itself. The end-to-end
/// test checks their names on running servers.
const FOREIGN: &[&str] = &["temporal_", "service_", "persistence_", "up", "orderflow:"];

/// The words of an expression outside strings: names, and the labels of each `{…}` or `by (…)`
/// group.
pub(crate) fn names(expression: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (at, part) in expression.split('"').enumerate() {
        if at % 2 == 0 {
            let words = part.split(|char: char| !(char.is_ascii_alphanumeric() || matches!(char, '_' | ':' | '$')));
            names.extend(words.filter(|word| word.starts_with(|char: char| char.is_ascii_alphabetic())));
        }
    }
    names
}

/// Checks the names of OrderFlow's metrics and the labels that the expression uses for them.
pub(crate) fn check(place: &str, expression: &str) {
    const WORDS: &[&str] = &[
        "abs",
        "absent",
        "and",
        "avg_over_time",
        "bool",
        "by",
        "clamp_min",
        "histogram_quantile",
        "ignoring",
        "increase",
        "label_replace",
        "le",
        "m",
        "max",
        "max_over_time",
        "min",
        "on",
        "or",
        "rate",
        "slo",
        "sort_desc",
        "sum",
        "time",
        "topk",
        "unless",
        "vector",
        "without",
    ];
    let mut labels = BTreeSet::from(["instance", "job"]);
    let mut found = false;
    let mut foreign = false;
    for name in names(expression) {
        let base = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let is = |metric: &&Metric| {
            let defined = metric.definition().name;
            if matches!(metric, Metric::Histogram(_)) { base == defined && base != name } else { name == defined }
        };
        if let Some(metric) = ALL.iter().find(is) {
            found = true;
            labels.extend(metric.definition().labels.iter().map(|label| label.name));
            values(place, expression, metric);
        } else if FOREIGN.iter().any(|known| name.starts_with(known)) {
            foreign = true;
        } else {
            assert!(!name.starts_with("orderflow_"), "{place}: there is no metric {name}");
        }
    }
    assert!(found || foreign, "{place}: {expression} names no metric");
    if foreign {
        return;
    }
    for name in names(expression) {
        let known = WORDS.contains(&name) || labels.contains(name) || name.starts_with("orderflow_");
        assert!(known, "{place}: {name} is neither a label of the metrics in {expression} nor a known function");
    }
}

/// Checks the values that an expression compares a metric's listed labels with.
fn values(place: &str, expression: &str, metric: &Metric) {
    for label in metric.definition().labels {
        let Listed(listed) = label.values else { continue };
        let key = format!("{}=\"", label.name);
        let given = expression.split(&key).skip(1).filter_map(|rest| rest.split('"').next());
        for value in given {
            // Another metric of the expression may have the same label with other values.
            let known = ALL.iter().flat_map(|metric| metric.definition().labels).any(|other| {
                other.name == label.name
                    && expression.contains(metric.definition().name)
                    && matches!(other.values, Listed(list) if list.contains(&value))
            });
            assert!(known || listed.contains(&value), "{place}: {}=\"{value}\" of {expression} never exists", label.name);
        }
    }
}
