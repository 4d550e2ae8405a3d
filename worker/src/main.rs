use clap::Parser;
use std::process::ExitCode;
use worker::{audit, config, migrate, run};

/// OrderFlow's worker.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Executes activities until told to stop (SIGTERM); then finishes what it has begun.
    Run(Box<config::Run>),
    /// Brings the database's schema up to date; safe to run twice and at once.
    Migrate(config::Migrate),
    /// Compares Postgres, the read model, the payment ledger and Temporal and prints every broken invariant; status 1 on any.
    Audit(Box<config::Audit>),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match platform::config::read() {
        Command::Run(settings) => run::run(*settings).await.map(|()| ExitCode::SUCCESS),
        Command::Migrate(settings) => migrate::run(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Audit(settings) => audit::run(*settings).await,
    }
}
