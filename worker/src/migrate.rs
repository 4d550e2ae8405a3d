//! `worker migrate`: applies `migrations/`, each file once, in order.

use crate::{
    config,
    db::{self, Access, role},
    sql::migrate as sql,
};
use anyhow::{Context, bail};
use deadpool_postgres::Pool;
use platform::stop;
use refinery::Migration;

pub(crate) mod embedded {
    refinery::embed_migrations!("../migrations");
}

/// Key of the advisory lock that lets one migration run at a time; any constant does that nothing else in the database uses.
const LOCK: i64 = 0x006f_7264_6572_666c;

/// Applies what is not applied yet. Several may be started at once: one works, the others wait and find nothing to do.
///
/// # Errors
/// When Postgres cannot be reached, a migration fails, or an applied migration is not what it was.
pub async fn run(settings: config::Migrate) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    // Also as the first process of a container, whom SIGTERM does not end by itself.
    tokio::select! {
        done = apply(&settings) => done,
        () = stop::wait(stop::requested()?) => bail!("told to stop before the schema was up to date"),
    }
}

async fn apply(settings: &config::Migrate) -> anyhow::Result<()> {
    let access = Access::new(&settings.postgres).await?;
    if let Some(admin) = &settings.postgres_admin_secret {
        role::ensure(&access, admin, LOCK).await?;
    }
    let (mut client, connection) = access.open(access.options()).await.context("Postgres cannot be reached")?;
    // Held by the session, so it is released however this process ends.
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    let report = embedded::migrations::runner().run_async(&mut client).await?;
    for migration in report.applied_migrations() {
        tracing::info!(migration = %migration, "applied {migration}");
    }
    tracing::info!(applied = report.applied_migrations().len(), "the schema is up to date");
    drop(client);
    Ok(connection.await?)
}

/// Whether the database has every migration that this binary knows.
///
/// # Errors
/// When Postgres does not answer.
pub(crate) async fn is_up_to_date(pool: &Pool) -> anyhow::Result<bool> {
    let newest = embedded::migrations::runner().get_migrations().iter().map(Migration::version).max().unwrap_or_default();
    let client = db::connection(pool).await?;
    if !sql::schema_exists(&client).await?.is_there {
        return Ok(false);
    }
    Ok(sql::newest_version(&client).await?.version >= newest)
}
