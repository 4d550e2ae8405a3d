//! Two versions of the worker at once, as in a rolling deployment. Each continues orders that the
//! other has begun.

use super::FaultContext;
use crate::support::OtherWorker;
use anyhow::Result;
use std::{env, path::PathBuf, time::Duration};
use tokio::time::sleep;

/// The setting that names the binary of another release.
const OTHER: &str = "FAULTS_OTHER_WORKER";
/// The settings of the second worker if there is no other release. It has no carrier, so an order
/// that needs shipping waits for the first worker.
const OTHER_SETTINGS: [(&str, &str); 6] = [
    ("CARRIER", "none"),
    ("STEP_LOCAL_LIMIT_MS", "4000"),
    ("STEP_ATTEMPT_LIMIT_MS", "8000"),
    ("RETRY_INITIAL_INTERVAL_MS", "300"),
    ("RETRY_MAXIMUM_ATTEMPTS", "5"),
    ("RESERVATION_TTL_S", "1200"),
];

pub(super) fn name() -> &'static str {
    if env::var_os(OTHER).is_some() { "two releases of the worker side by side" } else { "two differently set workers side by side" }
}

/// Starts the other worker, which runs beside the first worker for `duration` and then alone for
/// `duration`. Kills it when the first worker is back.
pub(super) async fn deploy(context: &FaultContext<'_>, duration: Duration) -> Result<()> {
    let first = &context.shop.stack.workers[0];
    let release = env::var_os(OTHER).map(PathBuf::from);
    let settings = if release.is_some() { &[][..] } else { &OTHER_SETTINGS[..] };
    let other = OtherWorker::start(context.shop, release, settings).await?;
    sleep(duration).await;
    first.stop().await?;
    sleep(duration).await;
    first.start().await?;
    drop(other);
    Ok(())
}
