//! `local`: runs OrderFlow on this machine. The Makefile's targets call it.

mod database;
mod follow;
mod running;
mod terminal;
mod up;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use local::{Settings, project};
use std::{fs, process::ExitCode};

/// Runs OrderFlow on this machine.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start everything and keep it running until Ctrl-C.
    Up(up::Options),
    /// Stop what `up` started.
    Stop,
    /// Open psql on the local database.
    DbConnect,
    /// Drop the local database and empty the emulator, then make both again.
    DbReset,
    /// Remove the local data and logs.
    Clean,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Task::Up(options) => up::run(options).await,
        Task::Stop => running::stop().await,
        Task::DbConnect => database::connect(),
        Task::DbReset => database::reset().await,
        Task::Clean => clean(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn clean() -> Result<()> {
    if running::lock()?.is_none() {
        bail!("OrderFlow is running: stop it first (make stop)");
    }
    let stack = local::Stack::of_developer(Settings::of_developer()?)?;
    let own = project().join(".local");
    for folder in [stack.postgres.service().folder(), &own.join("data"), &own.join("logs")] {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    Ok(())
}
