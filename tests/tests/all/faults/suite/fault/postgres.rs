//! Postgres answers, but is impaired.

use super::FaultContext;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tokio_postgres::Client;

const PAUSE: Duration = Duration::from_millis(200);
/// An upper limit: if this many connections are accepted, the server has no limit.
const MAX_CONNECTIONS: usize = 1_000;

/// Takes every connection, those of the worker too, and holds them for `duration`.
pub(super) async fn exhaust_connections(context: &FaultContext<'_>, duration: Duration) -> Result<()> {
    let control = context.shop.db().await?;
    let refusals = || count_in_log(context, "too many clients already") + count_in_log(context, "remaining connection slots are reserved");
    let (refused_before, mut own) = (refusals(), 0);
    // The time starts when no connection is left, because taking them all takes long.
    let (mut none_left, mut held) = (None::<Instant>, Vec::new());
    while none_left.is_none_or(|since| since.elapsed() < duration) {
        // Ends only the worker's sessions; the connections taken before stay open.
        control.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orderflow-worker'", &[]).await?;
        while let Ok(connection) = context.shop.db().await {
            held.push(connection);
            ensure!(held.len() < MAX_CONNECTIONS, "there is no end of connections");
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

/// Makes Postgres refuse writes for `duration`.
pub(super) async fn refuse_writes(context: &FaultContext<'_>, duration: Duration) -> Result<()> {
    // Counts the refusals by Postgres, and those by the worker, which opens no connection to a
    // read-only server.
    let refusals =
        || count_in_log(context, "in a read-only transaction") + context.shop.logs().matches("database does not allow writes").count();
    let before = refusals();
    with_database_setting(context, "default_transaction_read_only", "on", duration).await?;
    let refused = refusals() - before;
    println!("writes refused as read-only: {refused}");
    ensure!(refused > 0, "nobody wanted to write");
    Ok(())
}

/// How often this text occurs in the log of Postgres.
pub(super) fn count_in_log(context: &FaultContext<'_>, what: &str) -> usize {
    context.shop.log(context.shop.stack.postgres.log()).matches(what).count()
}

/// Changes the default of a setting for all new sessions, for `duration`. Existing sessions are
/// ended before and after, so that none keeps the other value.
pub(super) async fn with_database_setting(context: &FaultContext<'_>, setting: &str, value: &str, duration: Duration) -> Result<()> {
    let control = context.shop.db().await?;
    let database = context.shop.stack.settings().get("POSTGRES_DB")?;
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
