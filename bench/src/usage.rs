//! The CPU time and memory of processes, read from `/proc`.

use anyhow::{Context, Result};
use std::{fs, iter::Sum, ops::Add};

/// The kernel reports CPU time in ticks of 1/100 s (`USER_HZ`) on every architecture that Rust
/// supports.
const MS_PER_TICK: f64 = 10.0;

/// CPU time since the start of a process, and its resident memory now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_ms: f64,
    pub(crate) rss_mib: f64,
}

impl Usage {
    /// The usage of a process and all its descendants, including ended ones whose parent waited for
    /// them.
    pub(crate) fn tree(pid: u32) -> Self {
        let own = Self::of(pid, 4).unwrap_or_default();
        own + children(pid).into_iter().map(Self::tree).sum()
    }

    /// The usage of this process without its descendants.
    pub(crate) fn own() -> Self {
        Self::of(std::process::id(), 2).unwrap_or_default()
    }

    /// The usage of one process. Its CPU time is the sum of the first `times` of these: user,
    /// system, user of ended children, system of ended children. Returns `None` if the process has
    /// ended.
    fn of(pid: u32, times: usize) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name, in brackets, may contain any character. Field 14 of proc(5), the user
        // time, is the twelfth field after the name.
        let (_, fields) = stat.rsplit_once(')')?;
        let ticks: f64 = fields.split_whitespace().skip(11).take(times).filter_map(|field| field.parse::<f64>().ok()).sum();
        Some(Self { cpu_ms: ticks * MS_PER_TICK, rss_mib: rss_mib(pid).unwrap_or_default() })
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { cpu_ms: self.cpu_ms + other.cpu_ms, rss_mib: self.rss_mib + other.rss_mib }
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// The resident memory of one process, in MiB.
pub(crate) fn rss_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    Ok(kib.context("/proc has no VmRSS")? / 1024.0)
}

fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let listed = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    listed.flat_map(|pids| pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_tree_holds_what_its_ended_and_its_living_children_used() {
        let before = Usage::tree(std::process::id());
        let busy = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        assert!(Command::new("sh").args(["-c", busy]).status().unwrap().success());
        let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        let after = Usage::tree(std::process::id());
        let with_sleeper = children(std::process::id()).contains(&sleeper.id());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(after.cpu_ms - before.cpu_ms >= MS_PER_TICK, "{before:?} {after:?}");
        assert!(with_sleeper);
    }

    #[test]
    fn a_process_that_has_gone_used_nothing() {
        assert!(Usage::tree(u32::MAX).cpu_ms < f64::EPSILON);
    }
}
