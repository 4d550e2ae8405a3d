//! Runs the load on the systems to compare, and prints their figures. The speed of a machine
//! changes with time, so the systems take turns within the same minutes, on the same servers.

use crate::{
    load, ours,
    peer::Peer,
    report::{self, Column, Figure, Target},
    subject::process,
    usage::Usage,
};
use anyhow::{Context as _, Result, bail};
use local::{Server, Stack, service::Binary};
use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// The number of orders in the short runs. If there is no peer, runs of more orders are compared
/// with them.
const FEW: usize = 2000;
/// Temporal counts as idle if it uses less CPU time than this, in milliseconds, during [`LOOK`].
const IDLE_CPU_MS: f64 = 100.0;
const LOOK: Duration = Duration::from_secs(1);
/// The maximum time until Temporal is idle after the runs of a system.
const SETTLED: Duration = Duration::from_secs(120);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Orders per run.
    #[arg(short, long, env = "N", default_value = "2000")]
    number: NonZeroUsize,
    /// Orders that are posted at the same time.
    #[arg(short, long, env = "C", default_value = "32")]
    concurrency: NonZeroUsize,
    /// Folder with the sources of another system to compare with. See bench/README.md for the
    /// requirements.
    #[arg(long, env = "PEER")]
    peer: Option<PathBuf>,
    /// Number of rounds. Each round runs the systems in the reverse order of the round before.
    #[arg(long, env = "ROUNDS", default_value = "2")]
    rounds: NonZeroUsize,
    /// Orders that are posted before the measurement, after each start of a system.
    #[arg(long, env = "WARMUP", default_value_t = 300)]
    warmup: usize,
    /// Setting of env.example for the worker and `api`: KEY=VALUE. Can be repeated.
    #[arg(long = "set", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Compares with the same system under another value of a setting: KEY=VALUE. Can be repeated.
    #[arg(long = "against", value_parser = setting, conflicts_with = "peer")]
    against: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum System {
    Ours,
    /// OrderFlow with other settings.
    Changed,
    Peer,
}

/// OrderFlow's own servers: `api` and the worker.
type OwnServers = (Arc<Server<Binary>>, Arc<Server<Binary>>);

/// `api` and the worker with other values of some settings, on the servers of the stack.
fn changed(stack: &Stack, changes: &[(String, String)]) -> Result<OwnServers> {
    let mut settings = stack.settings().clone();
    for (key, value) in changes {
        settings.set(key, value);
    }
    let logs = stack.api.log().parent().context("no folder of logs")?;
    let (api, worker) = (Binary::api(&settings)?, Binary::worker("worker", &settings)?);
    Ok((Arc::new(Server::new(api, logs)), Arc::new(Server::new(worker, logs))))
}

/// The runs of one system with one number of orders. They fill one column of the table.
struct Series {
    system: System,
    orders: usize,
    column: Column,
}

impl Series {
    fn new(system: System, orders: usize, head: &str) -> Self {
        Self { system, orders, column: Column { head: head.to_owned(), runs: Vec::new() } }
    }
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let orders = options.number.get();
    let settings: Vec<(&str, &str)> = options.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut stack = Stack::fresh(1, &settings)?;
    println!("starting the servers ...");
    stack.start().await?;
    let peer = match &options.peer {
        Some(folder) => Some(Peer::new(folder, &stack).await?),
        None => None,
    };
    let mut series = if peer.is_some() {
        vec![Series::new(System::Ours, orders, "ours"), Series::new(System::Peer, orders, "peer")]
    } else if !options.against.is_empty() {
        let head: Vec<String> = options.against.iter().map(|(key, value)| format!("{key}={value}")).collect();
        vec![Series::new(System::Ours, orders, "ours"), Series::new(System::Changed, orders, &head.join(" "))]
    } else if orders > FEW {
        [orders, FEW].map(|orders| Series::new(System::Ours, orders, &format!("{orders} orders"))).into()
    } else {
        vec![Series::new(System::Ours, orders, "ours")]
    };
    measure(&mut stack, peer.as_ref(), &options, &mut series).await?;

    let targets = match (peer.is_some(), options.against.is_empty()) {
        (true, _) => against_peer,
        (_, true) => against_fewer,
        _ => |_| None,
    };
    let columns: Vec<Column> = series.into_iter().map(|series| series.column).collect();
    println!("\n{orders} orders a run, {} posted at once\n{}", options.concurrency, report::table(&columns, targets));
    if let Some(peer) = peer {
        peer.stop().await?;
    }
    stack.stop().await
}

/// Runs the series in the order A, B, B, A and so on. So a machine that becomes slower or faster
/// affects both alike.
async fn measure(stack: &mut Stack, peer: Option<&Peer>, options: &Options, series: &mut [Series]) -> Result<()> {
    let first = (stack.api.clone(), stack.workers.first().context("the stack has no worker")?.clone());
    let other = changed(stack, &options.against)?;
    let mut warm = None;
    for round in 0..options.rounds.get() {
        if round > 0 {
            series.reverse();
        }
        for series in &mut *series {
            let subject = match (series.system, peer) {
                (System::Peer, Some(peer)) => {
                    ours::stop(stack).await?;
                    peer.start().await?;
                    peer.subject(stack).await?
                }
                (system, _) => {
                    if let Some(peer) = peer {
                        peer.stop().await?;
                    }
                    if !options.against.is_empty() && warm != Some(system) {
                        ours::stop(stack).await?;
                        let (api, worker) = if system == System::Changed { other.clone() } else { first.clone() };
                        (stack.api, stack.workers) = (api, vec![worker]);
                    }
                    ours::start(stack).await?;
                    ours::subject(stack).await?
                }
            };
            if warm != Some(series.system) {
                if warm.is_some() {
                    until_idle(process("temporal", &stack.temporal)?.1).await?;
                }
                if options.warmup > 0 {
                    load::run(&subject, options.warmup, options.concurrency.get()).await?;
                }
            }
            warm = Some(series.system);
            let figures = load::run(&subject, series.orders, options.concurrency.get()).await?;
            println!("{}", report::run_line(&series.column.head, &figures));
            series.column.runs.push(figures);
        }
    }
    series.sort_by_key(|series| (series.system != System::Ours, series.orders != options.number.get()));
    Ok(())
}

/// Waits until Temporal is idle. The system that ran before leaves timers of timeouts that did not
/// occur. They fire half a minute later.
async fn until_idle(temporal: u32) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < SETTLED {
        let before = Usage::tree(temporal).cpu_ms;
        sleep(LOOK).await;
        if Usage::tree(temporal).cpu_ms - before < IDLE_CPU_MS {
            return Ok(());
        }
    }
    bail!("Temporal is still busy after {} s", SETTLED.as_secs());
}

/// The target for OrderFlow's figure divided by the peer's figure.
fn against_peer(figure: Figure) -> Option<Target> {
    match figure {
        Figure::FinishedPerS => Some(Target::AtLeast(3.5)),
        Figure::PostP50Ms => Some(Target::AtMost(1.0)),
        Figure::CpuMs("temporal") => Some(Target::AtMost(0.36)),
        Figure::CpuMs("worker") => Some(Target::AtMost(0.4)),
        Figure::CpuMs("api") => Some(Target::AtMost(2.0)),
        _ => None,
    }
}

/// The target for the figure with many orders divided by the figure with few orders. The CPU time
/// of an order should not grow with the number of orders. The allowed tenth is the difference
/// between equal runs on a quiet machine.
fn against_fewer(figure: Figure) -> Option<Target> {
    matches!(figure, Figure::AllCpuMs | Figure::CpuMs(_)).then_some(Target::AtMost(1.1))
}
