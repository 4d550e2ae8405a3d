//! `worker migrate`: brings the database's schema up to date.
//!
//! It applies each file `migrations/V*.sql` once, in the order of their versions. Then it applies
//! the views and functions that have changed ([`definitions`]). If the schema is newer than this
//! release, it changes nothing. The rules are in docs/decisions/0023-one-baseline.md.

pub(crate) mod definitions;
#[cfg(test)]
mod released;

use crate::{
    config,
    db::{self, Access, role},
    sql::migrate as sql,
};
use anyhow::{Context, bail};
use deadpool_postgres::Pool;
use platform::stop;
use refinery::{Migration, Runner, SchemaVersion};
use tokio_postgres::Client;

mod embedded {
    refinery::embed_migrations!("../migrations");
}

/// The key of the advisory lock that lets only one process migrate at a time. Nothing else uses
/// this key.
const MIGRATION_LOCK: i64 = 0x006f_7264_6572_666c;

/// Sample products for local mode, tests and trials.
const SAMPLE_PRODUCTS: &str = include_str!("../../migrations/seed/catalogue.sql");

/// Brings the schema up to date. If several processes start at the same time, one does the work.
/// The others wait and then find nothing to do.
///
/// # Errors
/// Fails if Postgres cannot be reached, if a migration fails, or if an applied migration has
/// changed since.
pub async fn run(settings: config::Migrate) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    // The first process of a container does not end on SIGTERM by itself. So SIGTERM is handled
    // here.
    tokio::select! {
        result = migrate(&settings) => result,
        () = stop::wait(stop::requested()?) => bail!("stopped by a signal before the schema was up to date"),
    }
}

pub(crate) async fn migrate(settings: &config::Migrate) -> anyhow::Result<()> {
    let access = Access::new(&settings.postgres).await?;
    if let Some(admin) = role::admin(settings).await? {
        role::ensure_login(&access, &admin, MIGRATION_LOCK).await?;
    }
    let (mut client, connection) = access.open(access.options()).await.context("Postgres cannot be reached")?;
    // The session holds the lock, so Postgres releases it even if this process crashes.
    client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await?;
    bring_up_to_date(&mut client, settings.seed).await?;
    drop(client);
    Ok(connection.await?)
}

/// Applies the missing parts of the schema on this connection. With `seed`, it also fills an empty
/// catalogue.
pub(crate) async fn bring_up_to_date(client: &mut Client, seed: bool) -> anyhow::Result<()> {
    let own = embedded::migrations::runner();
    let mut known = own.get_migrations().clone();
    let newer = newer_migrations(&own, client).await?;
    let is_older = !newer.is_empty();
    // Refinery refuses an applied migration that it does not know. Migrations of a newer release
    // are allowed. All others must be the same as in this release.
    known.extend(newer);
    let report = Runner::new(&known).run_async(client).await?;
    if is_older {
        tracing::info!("the schema belongs to a newer release; changed nothing");
        return Ok(());
    }
    for migration in report.applied_migrations() {
        tracing::info!(migration = %migration, "applied {migration}");
    }
    let replaced = definitions::apply_changed(client).await?;
    tracing::info!(
        applied = report.applied_migrations().len(),
        replaced,
        "the schema is up to date; views and functions replaced: {replaced}"
    );
    if seed && client.query_one("SELECT NOT EXISTS (SELECT FROM products)", &[]).await?.try_get(0)? {
        client.batch_execute(SAMPLE_PRODUCTS).await.context("cannot seed the catalogue")?;
        tracing::info!("seeded the catalogue");
    }
    Ok(())
}

/// The applied migrations that are newer than this release.
async fn newer_migrations(own: &Runner, client: &mut Client) -> anyhow::Result<Vec<Migration>> {
    if !client.query_one(HAS_HISTORY, &[]).await?.try_get(0)? {
        return Ok(Vec::new());
    }
    let newest = newest_version(own);
    let applied = own.get_applied_migrations_async(client).await?;
    Ok(applied.into_iter().filter(|migration| migration.version() > newest).collect())
}

fn newest_version(own: &Runner) -> SchemaVersion {
    own.get_migrations().iter().map(Migration::version).max().unwrap_or_default()
}

/// Whether refinery's table of applied migrations exists.
const HAS_HISTORY: &str = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";

/// Whether the schema is the one of this release or of a newer release.
///
/// # Errors
/// Fails if Postgres does not answer.
pub(crate) async fn is_up_to_date(pool: &Pool) -> anyhow::Result<bool> {
    let newest = newest_version(&embedded::migrations::runner());
    let client = db::connection(pool).await?;
    if !sql::schema_exists(&client).await?.is_present {
        return Ok(false);
    }
    let applied = sql::newest_version(&client).await?.version;
    Ok(applied > newest || (applied == newest && definitions::are_applied(&client).await?))
}
