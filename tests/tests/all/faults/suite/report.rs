//! The results of a run, as tables.

use super::{checks::Summary, kind::Kind};
use std::{fmt, time::Duration};

/// A number of orders, and the time from the first post until the system had settled.
#[derive(Clone, Copy)]
pub(super) struct Phase {
    pub(super) orders: usize,
    pub(super) took: Duration,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.orders as u128 * 10_000 / self.took.as_millis().max(1);
        write!(f, "{} orders in {:.1} s, {}.{}/s", self.orders, self.took.as_secs_f32(), tenths / 10, tenths % 10)
    }
}

pub(super) struct Report {
    pub(super) seed: u64,
    pub(super) without_fault: Phase,
    /// Each fault, the time that the system took to recover from it, and the orders around it.
    pub(super) faults: Vec<(String, Duration, Phase)>,
    pub(super) summary: Summary,
    /// Servers that ended by themselves and were started again.
    pub(super) restarted: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = ["customers", "completed", "of these amended", "failed", "of these unpaid by a fault", "cancelled", "refunds"];
        writeln!(f, "\nseed {}\n", self.seed)?;
        writeln!(f, "| orders | {} |\n| --- {}|", columns.join(" | "), "| ---: ".repeat(columns.len()))?;
        let mut sums = [0; 7];
        for kind in Kind::ALL {
            let ends = self.summary.ends.get(kind).copied().unwrap_or_default();
            let counts = [ends.customers, ends.completed, ends.amended, ends.failed, ends.unpaid_by_fault, ends.cancelled, ends.refunds];
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            line(f, kind.name(), &counts)?;
        }
        line(f, "all", &sums)?;

        writeln!(f, "\n| fault | orders around it | recovered after, s |\n| --- | ---: | ---: |")?;
        for (name, recovery, phase) in &self.faults {
            writeln!(f, "| {name} | {} | {:.1} |", phase.orders, recovery.as_secs_f32())?;
        }
        let faults = self.faults.iter().map(|(_, _, phase)| phase);
        let faults = faults.fold(Phase { orders: 0, took: Duration::ZERO }, |sum, phase| Phase {
            orders: sum.orders + phase.orders,
            took: sum.took + phase.took,
        });
        writeln!(f, "\nwithout a fault: {}\nunder {} faults: {faults}", self.without_fault, self.faults.len())?;
        let (events, repeated) = self.summary.events;
        writeln!(f, "events: {events}, and {repeated} repetitions; histories replayed: {}", self.summary.replayed)?;
        writeln!(f, "ended by themselves and started again: {:?}", self.restarted)
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, counts: &[usize]) -> fmt::Result {
    let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
    writeln!(f, "| {name} | {} |", counts.join(" | "))
}
