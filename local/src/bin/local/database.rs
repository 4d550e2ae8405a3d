//! Commands for a developer on the local database.

use crate::terminal;
use anyhow::{Context, Result};
use local::{Settings, Stack, Tools};
use std::{os::unix::process::CommandExt as _, path::Path, process::Command};

const START_FIRST: &str = "it does not answer: start it first (make run)";

/// Replaces this process with psql, connected to the local database. It returns only on failure.
pub(crate) fn connect() -> Result<()> {
    let settings = Settings::of_developer()?;
    let mut psql = Command::new(Tools::default().installed("psql")?);
    for (name, key) in [
        ("PGHOST", "POSTGRES_HOST"),
        ("PGPORT", "POSTGRES_PORT"),
        ("PGDATABASE", "POSTGRES_DB"),
        ("PGUSER", "POSTGRES_USER"),
        ("PGPASSWORD", "POSTGRES_PASSWORD"),
    ] {
        psql.env(name, settings.get(key)?);
    }
    Err(psql.exec()).context("cannot run psql")
}

/// Drops the database and creates it again. It also removes everything else about the orders:
/// Temporal's open workflows, and the emulator's read model and intake queue. The emulator comes
/// first, so that no workflow is started from the queue.
pub(crate) async fn reset(folder: &Path) -> Result<()> {
    let stack = Stack::of_developer(Settings::of_developer()?, folder)?;
    stack.emulator.service().reset().await.context(START_FIRST).context("the AWS emulator")?;
    stack.temporal.service().terminate_all("db-reset").await.context(START_FIRST).context("Temporal")?;
    stack.postgres.service().recreate_database().await.context(START_FIRST).context("Postgres")?;
    stack.migrate().await?;
    terminal::say("The database, the tables and the queues are as new, and no workflow is open.");
    Ok(())
}
