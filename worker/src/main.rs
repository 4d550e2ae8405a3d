use clap::Parser;
use std::process::ExitCode;
use worker::{audit, config, finding, healthcheck, maintenance, migrate, resend, restock, resume, run};

/// Many small things that live on across threads are allocated for each order; the system's own allocator takes a tenth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// OrderFlow's worker.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Executes activities until told to stop (SIGTERM, SIGINT, SIGHUP); then finishes what it has begun.
    Run(Box<config::Run>),
    /// Brings the database's schema up to date; safe to run twice and at once.
    Migrate(config::Migrate),
    /// Compares Postgres, the read model, the payment ledger and Temporal and prints every broken invariant; status 1 on any.
    Audit(Box<config::Audit>),
    /// Projects again what the read model lacks of what Postgres has; status 0 unless that could not be done.
    Project(Box<config::Project>),
    /// Starts the workflows again of orders that have not ended and have no running workflow; they go on from what Postgres knows.
    Resume(Box<config::Resume>),
    /// Adds units to a product's stock.
    Restock(config::Restock),
    /// Sends messages to customers again.
    #[command(subcommand)]
    Notify(config::Notify),
    /// Lets new orders wait, or go on; says how the switch stands.
    Maintenance(config::Maintenance),
    /// Removes a finding (loop FINDINGS of the audit) that was looked into.
    Dismiss(config::Dismiss),
    /// Asks the worker that runs on this machine how it is; status 0 when it is well.
    Healthcheck(config::Healthcheck),
}

/// One thread: an order is handed from task to task so often that handing it between threads costs more than it gains. More workers do more.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ended = match platform::config::read() {
        Command::Run(settings) => run::run(*settings).await.map(|()| ExitCode::SUCCESS),
        Command::Migrate(settings) => migrate::run(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Audit(settings) => audit::run(*settings).await,
        Command::Project(settings) => audit::project(*settings).await.map(|()| ExitCode::SUCCESS),
        Command::Resume(settings) => resume::run(*settings).await.map(|()| ExitCode::SUCCESS),
        Command::Restock(settings) => restock::run(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Notify(config::Notify::Resend(settings)) => resend::run(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Maintenance(settings) => maintenance::run(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Dismiss(settings) => finding::dismiss(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Healthcheck(settings) => Ok(healthcheck::run(settings).await),
    };
    ended.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        ExitCode::FAILURE
    })
}
