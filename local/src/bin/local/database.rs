//! The local database for a developer's hands.

use crate::terminal;
use anyhow::{Context, Result};
use local::{Settings, Stack, Tools};
use std::{os::unix::process::CommandExt as _, path::Path, process::Command};

const START_FIRST: &str = "it does not answer: start it first (make run)";

/// Becomes psql.
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

/// Drops the database and makes it again, and with it all that is about the orders in it: Temporal's open workflows, and what the emulator holds, the
/// read model and the intake queue. The queue goes first, so that nothing starts from it.
pub(crate) async fn reset(folder: &Path) -> Result<()> {
    let stack = Stack::of_developer(Settings::of_developer()?, folder)?;
    stack.emulator.service().reset().await.context(START_FIRST).context("the AWS emulator")?;
    stack.temporal.service().terminate_all("db-reset").await.context(START_FIRST).context("Temporal")?;
    stack.postgres.service().recreate_database().await.context(START_FIRST).context("Postgres")?;
    stack.migrate().await?;
    terminal::say("The database, the tables and the queues are as new, and no workflow is open.");
    Ok(())
}
