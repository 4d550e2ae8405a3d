//! Postgres is there, but not as it should be.

use super::Site;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tokio_postgres::Client;

const PAUSE: Duration = Duration::from_millis(200);
/// More connections than the server has would never be refused.
const MANY: usize = 1_000;

/// Takes every connection that there is, those of the worker too, for so long.
pub(super) async fn exhaust_connections(site: &Site<'_>, duration: Duration) -> Result<()> {
    let control = site.shop.db().await?;
    let refusals = || logged(site, "too many clients already") + logged(site, "remaining connection slots are reserved");
    let (refused_before, mut own) = (refusals(), 0);
    // Taking them all may take longer than that.
    let (mut none_left, mut held) = (None::<Instant>, Vec::new());
    while none_left.is_none_or(|since| since.elapsed() < duration) {
        // Only the worker's: what has been taken stays taken.
        control.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orderflow-worker'", &[]).await?;
        while let Ok(connection) = site.shop.db().await {
            held.push(connection);
            ensure!(held.len() < MANY, "there is no end of connections");
        }
        none_left.get_or_insert_with(Instant::now);
        own += 1;
        sleep(PAUSE).await;
    }
    let refused = (refusals() - refused_before).saturating_sub(own);
    println!("connections refused to the worker: {refused}");
    ensure!(refused > 0, "the worker wanted no connection");
    Ok(())
}

/// For so long, Postgres writes nothing.
pub(super) async fn refuse_writes(site: &Site<'_>, duration: Duration) -> Result<()> {
    // By Postgres, and by the worker, which connects to none that takes no writes.
    let refusals = || logged(site, "in a read-only transaction") + site.shop.logs().matches("database does not allow writes").count();
    let before = refusals();
    with_default(site, "default_transaction_read_only", "on", duration).await?;
    let refused = refusals() - before;
    println!("writes refused as read-only: {refused}");
    ensure!(refused > 0, "nobody wanted to write");
    Ok(())
}

/// How often Postgres' log has this.
pub(super) fn logged(site: &Site<'_>, what: &str) -> usize {
    site.shop.log(site.shop.stack.postgres.log()).matches(what).count()
}

/// For so long, all sessions begin with another value of a setting. Sessions that stand are ended before and after, so that none keeps the old one.
pub(super) async fn with_default(site: &Site<'_>, setting: &str, value: &str, duration: Duration) -> Result<()> {
    let control = site.shop.db().await?;
    let database = site.shop.stack.settings().get("POSTGRES_DB")?;
    control.batch_execute(&format!("ALTER DATABASE {database} SET {setting} = '{value}'")).await?;
    end_sessions(&control).await?;
    sleep(duration).await;
    control.batch_execute(&format!("ALTER DATABASE {database} RESET {setting}")).await?;
    end_sessions(&control).await
}

async fn end_sessions(control: &Client) -> Result<()> {
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    control.execute(others, &[]).await?;
    Ok(())
}
