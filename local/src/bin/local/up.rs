//! Starts everything, keeps it running, and stops it in the reverse order.

use crate::{
    follow::Follower,
    running::{self, Lock},
    terminal,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use local::{Server, Settings, Stack, ensure_free};
use std::{
    fs::{self, File},
    future::Future,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
    time::sleep,
    try_join,
};

/// The pause before a server that died is started again. It doubles each time, from this value up
/// to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// If a server dies after it ran for longer than this, the next pause is [`FIRST_PAUSE`] again.
const STEADY: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct Options {
    /// Start only Postgres, Temporal and the AWS emulator. The worker and api are then run by hand.
    #[arg(long)]
    services: bool,
    /// Return when everything is ready, and leave it running.
    #[arg(long)]
    background: bool,
    /// Do not show the logs of the worker and api.
    #[arg(long)]
    quiet: bool,
}

pub(crate) async fn run(options: Options, folder: &Path) -> Result<()> {
    if options.background {
        return in_background(&options, folder).await;
    }
    let Some(mut lock) = running::lock(folder)? else { bail!("OrderFlow is running already (make stop stops it)") };
    let started = Instant::now();
    let stack = Arc::new(Stack::of_developer(Settings::of_developer()?, folder)?);
    let servers = if options.services { stack.services() } else { stack.servers() };
    for server in &servers {
        for (host, port, setting) in server.service().listens() {
            ensure_free(&host, port, setting)?;
        }
        keep_last_log(server.log())?;
    }
    let mut end = End::new()?;
    terminal::say(&format!("Starting OrderFlow; logs are in {}.", folder.join("logs").display()));
    let shown = if options.services || options.quiet { Vec::new() } else { own_logs(&stack) };
    let follower = Follower::new(shown);
    let result = select! {
        result = start(&stack, options.services) => result,
        () = end.asked() => Ok(()),
    };
    if result.is_ok() && !end.was_asked {
        announce(&stack, &mut lock, started, options.services)?;
        let mut keepers: JoinSet<()> = servers.iter().map(|server| keep_running(stack.clone(), server.clone())).collect();
        end.asked().await;
        keepers.shutdown().await;
    }
    terminal::say("Stopping OrderFlow.");
    let stopped = select! {
        stopped = stack.stop_and_report(|name, took| terminal::step(name, "stopped", took)) => stopped,
        // After another signal, stop waiting. Dropping the stack then stops the servers, with less
        // time for each.
        () = end.asked() => Ok(()),
    };
    drop(follower);
    result.and(stopped)
}

async fn start(stack: &Stack, services_only: bool) -> Result<()> {
    // Postgres is last: creating its cluster blocks this thread, and the others start meanwhile.
    if let Some(jaeger) = &stack.jaeger {
        started(jaeger).await?;
    }
    try_join!(started(&stack.temporal), started(&stack.emulator), started(&stack.postgres))?;
    let begun = Instant::now();
    stack.migrate().await?;
    terminal::step("database", "migrated", begun.elapsed());
    let begun = Instant::now();
    match stack.project().await {
        Ok(_) => terminal::step("read model", "compared", begun.elapsed()),
        // The worker tries again, and `worker audit` reports what is missing.
        Err(error) => terminal::error(&error),
    }
    if !services_only {
        let workers = stack.workers.iter().map(|worker| started(worker));
        try_join!(futures::future::try_join_all(workers), started(&stack.api))?;
    }
    Ok(())
}

async fn started<S: local::service::Service>(server: &Server<S>) -> Result<()> {
    let begun = Instant::now();
    server.start().await?;
    terminal::step(server.name(), "ready", begun.elapsed());
    Ok(())
}

fn announce(stack: &Stack, lock: &mut Lock, started: Instant, services_only: bool) -> Result<()> {
    let settings = stack.settings();
    let api = format!("http://{}:{}", settings.get("API_HOST")?, settings.port("API_PORT")?);
    let own = if services_only { String::new() } else { format!("page {api}, API {api}/api, ") };
    let rest = format!(
        "Temporal UI http://{}:{}, AWS emulator {}, Postgres {}:{}",
        settings.temporal()?.0,
        settings.port("TEMPORAL_WEB_PORT")?,
        settings.get("AWS_ENDPOINT_URL")?,
        settings.get("POSTGRES_HOST")?,
        settings.port("POSTGRES_PORT")?
    );
    let traces = if stack.jaeger.is_some() { "; orders are traced" } else { "" };
    terminal::good(&format!("Ready after {:.1} s: {own}{rest}{traces}", started.elapsed().as_secs_f32()));
    lock.ready()
}

/// Starts a server again each time it dies.
async fn keep_running(stack: Arc<Stack>, server: Arc<Server>) {
    let name = server.name();
    let mut pause = FIRST_PAUSE;
    loop {
        let since = Instant::now();
        let how = match server.ended().await {
            Ok(Some(status)) => status.to_string(),
            Ok(None) => "it does not run".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if since.elapsed() > STEADY {
            pause = FIRST_PAUSE;
        }
        terminal::warning(&format!("{name} died ({how}): starting it again in {:.1} s", pause.as_secs_f32()));
        sleep(pause).await;
        pause = LAST_PAUSE.min(pause * 2);
        let begun = Instant::now();
        match server.start().await {
            Ok(()) => {
                terminal::step(name, "ready", begun.elapsed());
                if name == stack.emulator.name() {
                    rebuild_read_model(&stack).await;
                }
            }
            Err(error) => {
                terminal::error(&error);
                if let Err(error) = server.kill().await {
                    terminal::error(&error);
                }
            }
        }
    }
}

/// An emulator that died has lost the data in its memory. AWS would not lose it. So this builds the
/// read model again from Postgres.
async fn rebuild_read_model(stack: &Stack) {
    match stack.project().await {
        Ok(done) => terminal::say(&format!("The emulator had lost the data in its memory. {done}")),
        Err(error) => terminal::error(&error),
    }
}

/// The signals that ask `up` to stop: SIGINT, SIGTERM and SIGHUP.
struct End {
    signals: [Signal; 3],
    was_asked: bool,
}

impl End {
    fn new() -> Result<Self> {
        let signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
        Ok(Self { signals, was_asked: false })
    }

    /// Waits for the next of these signals.
    fn asked(&mut self) -> impl Future<Output = ()> {
        let [interrupt, terminate, hangup] = &mut self.signals;
        let was_asked = &mut self.was_asked;
        async move {
            select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            *was_asked = true;
        }
    }
}

fn own_logs(stack: &Stack) -> Vec<(String, PathBuf)> {
    let named = |name: &str, log: &Path| (name.to_owned(), log.to_path_buf());
    let workers = stack.workers.iter().map(|worker| named(worker.name(), worker.log()));
    workers.chain([named(stack.api.name(), stack.api.log())]).collect()
}

/// Renames the log of the run before, so that each run has a log of its own.
fn keep_last_log(log: &Path) -> Result<()> {
    if log.exists() {
        fs::rename(log, log.with_extension("log.1"))?;
    }
    Ok(())
}

/// Runs `up` in a process of its own, and shows its output until it is ready.
async fn in_background(options: &Options, folder: &Path) -> Result<()> {
    if running::lock(folder)?.is_none() {
        terminal::say("OrderFlow is running already.");
        return Ok(());
    }
    let logs = folder.join("logs");
    fs::create_dir_all(&logs)?;
    let log = logs.join("local.log");
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut up = Command::new(std::env::current_exe()?);
    up.args(["up", "--quiet", "--folder"]).arg(folder).args(options.services.then_some("--services"));
    up.process_group(0).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut up = up.spawn()?;
    let follower = Follower::new(vec![(String::new(), log)]);
    loop {
        let ended = up.try_wait()?;
        if ended.is_none() && !running::is_ready(folder) {
            sleep(Duration::from_millis(100)).await;
            continue;
        }
        drop(follower);
        return match ended {
            None => Ok(()),
            Some(status) => bail!("OrderFlow has not started ({status})"),
        };
    }
}
