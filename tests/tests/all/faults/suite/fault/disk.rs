//! The disk of Postgres is full.

use super::{FaultContext, TARGET_TIMEOUT, postgres::count_in_log};
use crate::{faults::suite::preload::Program, support::until_ok};
use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const PAUSE: Duration = Duration::from_millis(100);

/// Fills the disk for `duration`. At first, tables cannot grow. Later the WAL needs another file,
/// without which Postgres cannot continue.
pub(super) async fn fill(context: &FaultContext<'_>, duration: Duration) -> Result<()> {
    let preload = context.preload.context("no disk can be filled here")?;
    let postgres = &context.shop.stack.postgres;
    let (refusals, crashes) = (|| count_in_log(context, "No space left on device"), || count_in_log(context, "PANIC:"));
    let (refused_before, crashed_before, began) = (refusals(), crashes(), Instant::now());
    preload.fill_disk(Program::Postgres, true)?;
    sleep(duration / 2).await;
    while began.elapsed() < duration {
        if let Ok(db) = context.shop.db().await {
            // A table that must grow, and a WAL that must switch to its next file. Either may fail.
            let _ =
                db.batch_execute("CREATE TABLE IF NOT EXISTS ballast (filling text); INSERT INTO ballast VALUES (repeat('x', 1000))").await;
            let _ = db.batch_execute("SELECT pg_switch_wal()").await;
        }
        sleep(PAUSE).await;
    }
    preload.fill_disk(Program::Postgres, false)?;
    // Postgres may have crashed and ended.
    postgres.start().await?;
    until_ok("Postgres answers", TARGET_TIMEOUT, async || {
        Ok(context.shop.db().await?.batch_execute("DROP TABLE IF EXISTS ballast").await?)
    })
    .await?;
    let refused = refusals() - refused_before;
    println!("writes refused for want of space: {refused}; crashes of Postgres: {}", crashes() - crashed_before);
    ensure!(refused > 0, "the disk was never full");
    Ok(())
}
