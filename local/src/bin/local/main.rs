//! The program `local`. It runs OrderFlow on this machine. The Makefile calls it.

mod database;
mod follow;
mod running;
mod terminal;
mod up;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use local::{Settings, Stack, project};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Runs OrderFlow on this machine.
#[derive(Parser)]
struct Cli {
    /// Folder for data and logs.
    #[arg(long, global = true, hide = true, default_value_os_t = project().join(".local"))]
    folder: PathBuf,
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
    /// Drop the local database, empty the emulator and terminate all workflows, then create the
    /// database and its tables again.
    DbReset,
    /// Remove the local data and logs.
    Clean,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { folder, command } = Cli::parse();
    let result = match command {
        Task::Up(options) => up::run(options, &folder).await,
        Task::Stop => running::stop(&folder).await,
        Task::DbConnect => database::connect(),
        Task::DbReset => database::reset(&folder).await,
        Task::Clean => clean(&folder),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn clean(folder: &Path) -> Result<()> {
    if running::lock(folder)?.is_none() {
        bail!("OrderFlow is running: stop it first (make stop)");
    }
    let stack = Stack::of_developer(Settings::of_developer()?, folder)?;
    for gone in [stack.postgres.service().folder(), &folder.join("data"), &folder.join("logs")] {
        if gone.exists() {
            fs::remove_dir_all(gone).with_context(|| format!("cannot remove {}", gone.display()))?;
        }
    }
    Ok(())
}
