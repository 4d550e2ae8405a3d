//! Measures the part of a Lambda cold start that the code determines: the time from the start of a
//! function's binary to its first answer, and its memory.
//!
//! Each start is a new process with the environment variables of Lambda. Each function is measured
//! with two events, each in a process of its own. The first event is a request to a path that no
//! function has, which shows the start of the binary alone. The second event is a real request,
//! which adds new connections to the servers and their answers.

mod event;
mod runtime_api;

use crate::usage;
use anyhow::{Context, Result, bail};
use local::{Stack, Tools};
use runtime_api::RuntimeApi;
use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{process::Command, time::timeout};

const FUNCTIONS: [&str; 2] = ["get-order", "create-order"];
const TARGET_MS: f64 = 25.0;
const TARGET_MIB: f64 = 20.0;
/// The maximum time from a function's start to its answer.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Binaries of functions to measure. The default is get-order and create-order in the folder of
    /// this program.
    binaries: Vec<PathBuf>,
    /// Build get-order and create-order as they are deployed, and measure those. Takes minutes.
    #[arg(long, conflicts_with = "binaries")]
    release: bool,
    /// Number of measured starts for each function and each event.
    #[arg(long, default_value = "10")]
    starts: NonZeroUsize,
}

/// The measurements of one start.
struct Start {
    answer_ms: f64,
    rss_mib: f64,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let (binaries, build) = if options.release {
        (build_release().await?, "as deployed")
    } else if options.binaries.is_empty() {
        (
            FUNCTIONS.into_iter().map(Tools::built).collect::<Result<_>>()?,
            "development profile, not held to the targets; --release measures what is deployed",
        )
    } else {
        (options.binaries.iter().map(|binary| found(binary)).collect::<Result<_>>()?, "as given")
    };
    let stack = Stack::fresh(0, &[])?;
    println!("starting the servers ...");
    stack.start_services().await?;
    println!("\nfrom exec to the first answer, median and worst of {} starts ({build})", options.starts);
    println!("{:22}{:14}{:>10}{:>10}{:>10}", "", "", "median ms", "worst ms", "RSS MiB");
    for binary in &binaries {
        let name = binary.file_name().and_then(|name| name.to_str()).context("a binary has no name")?;
        for (what, event) in event::of(name)? {
            let mut starts = Vec::new();
            // The first start reads the file from the disk. It is not counted.
            for _ in 0..=options.starts.get() {
                starts.push(start(binary, name, &event, &stack).await.with_context(|| format!("{name}, {what}"))?);
            }
            println!("{name:22}{what:14}{}", line(&mut starts[1..]));
        }
    }
    println!("targets for what is deployed: {TARGET_MS} ms (median), {TARGET_MIB} MiB");
    stack.stop().await
}

/// The absolute path of a binary: functions run in another folder than this program.
fn found(binary: &Path) -> Result<PathBuf> {
    binary.canonicalize().with_context(|| format!("cannot find {}", binary.display()))
}

fn line(starts: &mut [Start]) -> String {
    starts.sort_by(|one, other| one.answer_ms.total_cmp(&other.answer_ms));
    let median = starts.get(starts.len() / 2).map_or(f64::NAN, |start| start.answer_ms);
    let worst = starts.last().map_or(f64::NAN, |start| start.answer_ms);
    let rss = starts.iter().map(|start| start.rss_mib).fold(0.0, f64::max);
    format!("{median:>10.1}{worst:>10.1}{rss:>10.1}")
}

/// Starts the binary, gives it one event, and kills it after its answer.
async fn start(binary: &Path, name: &str, event: &str, stack: &Stack) -> Result<Start> {
    let mut api = RuntimeApi::serve(event.to_owned()).await?;
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs(stack.env())
        .env("AWS_LAMBDA_RUNTIME_API", api.address())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", name)
        .env("AWS_LAMBDA_LOG_STREAM_NAME", name)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let begun = Instant::now();
    let mut function = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
    let answered = timeout(LIMIT, async {
        tokio::select! {
            answered = api.answered() => answered,
            ended = function.wait() => bail!("it ended before it answered: {}", ended?),
        }
    });
    let answered = answered.await.context("it did not answer")??;
    let pid = function.id().context("it ended as it answered")?;
    let start = Start { answer_ms: (answered - begun).as_secs_f64() * 1000.0, rss_mib: usage::rss_mib(pid)? };
    function.kill().await?;
    Ok(start)
}

async fn build_release() -> Result<Vec<PathBuf>> {
    let args = FUNCTIONS.into_iter().flat_map(|name| ["--bin", name]);
    let built = Command::new("cargo").args(["build", "--release"]).args(args).current_dir(local::project()).stdin(Stdio::null()).status();
    if !built.await.context("cannot run cargo")?.success() {
        bail!("the functions cannot be built");
    }
    let running = std::env::current_exe()?;
    let target = running.ancestors().nth(2).context("this program is not in a target folder")?;
    Ok(FUNCTIONS.into_iter().map(|name| target.join("release").join(name)).collect())
}
