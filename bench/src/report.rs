//! The figures of the runs, as a table with ratios and targets.

use std::{collections::BTreeMap, fmt};

/// A measured figure. The order of the variants is the order of the table's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    FinishedPerS,
    AcceptedPerS,
    PostP50Ms,
    PostP99Ms,
    /// CPU time of one process tree, per order.
    CpuMs(&'static str),
    /// CPU time of all measured process trees, per order.
    AllCpuMs,
    /// CPU time of the load generator, per order.
    LoadCpuMs,
    RssMib(&'static str),
}

pub(crate) type Figures = BTreeMap<Figure, f64>;

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::FinishedPerS => "finished orders/s".to_owned(),
            Self::AcceptedPerS => "accepted orders/s".to_owned(),
            Self::PostP50Ms => "POST p50, ms".to_owned(),
            Self::PostP99Ms => "POST p99, ms".to_owned(),
            Self::CpuMs(name) => format!("CPU ms/order, {name}"),
            Self::AllCpuMs => "CPU ms/order, all of these".to_owned(),
            Self::LoadCpuMs => "CPU ms/order, the load itself".to_owned(),
            Self::RssMib(name) => format!("RSS MiB, {name}"),
        })
    }
}

/// The target for a ratio.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(limit) => ratio >= limit,
            Self::AtMost(limit) => ratio <= limit,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(limit) => write!(f, "≥ {limit}"),
            Self::AtMost(limit) => write!(f, "≤ {limit}"),
        }
    }
}

/// The runs of one series, as a column of the table.
pub(crate) struct Column {
    pub(crate) head: String,
    pub(crate) runs: Vec<Figures>,
}

impl Column {
    /// The mean of a figure over the runs. All runs have the same number of orders.
    fn mean(&self, figure: Figure) -> Option<f64> {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| run.get(&figure).copied()).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// One line of text about one run. These lines show the spread between runs.
pub(crate) fn run_line(head: &str, run: &Figures) -> String {
    let value = |figure| run.get(&figure).copied().unwrap_or(f64::NAN);
    format!(
        "  {head}: {:.1} finished/s, POST p50 {:.1} ms, CPU {:.2} ms/order",
        value(Figure::FinishedPerS),
        value(Figure::PostP50Ms),
        value(Figure::AllCpuMs)
    )
}

/// The table as text. With two columns, it also shows the ratio of the first to the second, and the
/// target for it.
pub(crate) fn table(columns: &[Column], target: impl Fn(Figure) -> Option<Target>) -> String {
    let Some(first) = columns.first().and_then(|column| column.runs.first()) else { return String::new() };
    let mut lines = vec![format!("{:32}", "mean of the runs")];
    lines[0].extend(columns.iter().map(|column| format!("{:>16}", column.head)));
    if columns.len() == 2 {
        lines[0].push_str(&format!("{:>9}  {}", "ratio", "target"));
    }
    for &figure in first.keys() {
        let means: Vec<Option<f64>> = columns.iter().map(|column| column.mean(figure)).collect();
        let mut line = format!("{figure:32}");
        line.extend(means.iter().map(|mean| format!("{:>16}", mean.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.2}")))));
        if let [Some(one), Some(other)] = means[..] {
            let ratio = one / other;
            line.push_str(&format!("{ratio:>8.2}x"));
            if let Some(target) = target(figure) {
                line.push_str(&format!("  {target}x {}", if target.met(ratio) { "met" } else { "MISSED" }));
            }
        }
        lines.push(line);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_means_and_stand_beside_their_targets() {
        let run = |finished, cpu| Figures::from([(Figure::FinishedPerS, finished), (Figure::CpuMs("worker"), cpu)]);
        let ours = Column { head: "ours".into(), runs: vec![run(90.0, 2.0), run(110.0, 4.0)] };
        let peer = Column { head: "peer".into(), runs: vec![run(25.0, 5.0)] };
        let table = table(&[ours, peer], |figure| match figure {
            Figure::FinishedPerS => Some(Target::AtLeast(3.5)),
            Figure::CpuMs("worker") => Some(Target::AtMost(0.4)),
            _ => None,
        });
        let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[1], ["finished", "orders/s", "100.00", "25.00", "4.00x", "≥", "3.5x", "met"]);
        assert_eq!(words[2], ["CPU", "ms/order,", "worker", "3.00", "5.00", "0.60x", "≤", "0.4x", "MISSED"]);
    }

    #[test]
    fn a_process_that_only_one_system_has_gets_no_ratio() {
        let ours = Column { head: "ours".into(), runs: vec![Figures::from([(Figure::CpuMs("emulator"), 1.0)])] };
        let peer = Column { head: "peer".into(), runs: vec![Figures::new()] };
        assert!(table(&[ours, peer], |_| None).ends_with("1.00               -"));
    }
}
