//! `docs/metrics.md`.

use crate::is_up_to_date;
use platform::metrics::{
    Definition, Metric, Program,
    Values::{Bounded, Listed},
    list::ALL,
};
use std::fmt::Write as _;

const HEAD: &str = "# Metrics

<!-- Generated from platform/src/metrics/list.rs by `make contract`. -->

The worker serves its metrics at `/metrics` on `WORKER_PORT` (8081), `api` on `API_METRICS_PORT`
(8082). The format is OpenMetrics. The public does not reach these ports. In AWS, the functions serve
no metrics: API Gateway counts and times the requests of each route, and the worker publishes a fixed
set of metrics to CloudWatch ([decision 30](decisions/0030-metrics.md)).

- Durations are in seconds.
- A counter begins at 0 when its process starts. It is the sum over all processes that counts.
- A gauge is read for each answer. If it cannot be read in time, it is absent. All workers read the
  same gauges of the whole system, so use `max`. The exceptions are those of the pool of connections.
- A label value that is not in its list is written as `other`.
- If traces are recorded, the buckets of a histogram have the id of a trace as their exemplar.

The worker's `/metrics` also has the metrics of the Temporal SDK (`temporal_*`), with durations in
seconds, too. Temporal's server has its own, on `TEMPORAL_METRICS_PORT` (8083) in local mode.

[observability/](../observability) has dashboards and alerts that use these metrics, and
[operating.md](operating.md#an-alert-of-prometheus-rings) says what to do when an alert rings.
";

fn section(page: &mut String, title: &str, program: Program) {
    write!(page, "\n## {title}\n\n| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n").unwrap();
    for metric in ALL.iter().filter(|metric| metric.definition().served_by == program) {
        let Definition { name, help, labels, only_if, .. } = metric.definition();
        let labels: Vec<String> = labels
            .iter()
            .map(|label| match label.values {
                Listed(values) => format!("`{}`: {}", label.name, values.join(", ")),
                Bounded(by) => format!("`{}`: {by}", label.name),
            })
            .collect();
        let only_if = only_if.map(|condition| format!(". Only if {condition}")).unwrap_or_default();
        let buckets = match metric {
            Metric::Histogram(histogram) => {
                format!(". Buckets: {} s", histogram.buckets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            _ => String::new(),
        };
        writeln!(page, "| `{name}` | {} | {} | {help}{buckets}{only_if} |", metric.kind(), labels.join("; ")).unwrap();
    }
}

#[test]
fn the_page_of_the_metrics_is_up_to_date() {
    let mut page = HEAD.to_owned();
    section(&mut page, "Of the worker", Program::Worker);
    section(&mut page, "Of api", Program::Api);
    section(&mut page, "Of both", Program::Each);
    is_up_to_date("docs/metrics.md", &page);
}
