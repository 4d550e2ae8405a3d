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

/// Drops the database and all that the emulator holds, since the read model and the intake queue are about the orders in it, and makes both again.
pub(crate) async fn reset(folder: &Path) -> Result<()> {
    let stack = Stack::of_developer(Settings::of_developer()?, folder)?;
    stack.postgres.service().recreate_database().await.context(START_FIRST).context("Postgres")?;
    stack.emulator.service().reset().await.context(START_FIRST).context("the AWS emulator")?;
    stack.migrate().await?;
    terminal::say("The database, the tables and the queues are as new.");
    Ok(())
}
