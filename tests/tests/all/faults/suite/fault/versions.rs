//! Two versions of the worker at once, as in a rolling deployment: each goes on with orders that the other has begun.

use super::Site;
use crate::support::OtherWorker;
use anyhow::Result;
use std::{env, path::PathBuf, time::Duration};
use tokio::time::sleep;

/// The binary of another release.
const OTHER: &str = "FAULTS_OTHER_WORKER";
/// How the worker differs where there is no other release. What it does not ship, the first one ships later.
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

/// The other one comes, works beside the first for so long, as long alone, and is killed when the first is back.
pub(super) async fn deploy(site: &Site<'_>, duration: Duration) -> Result<()> {
    let first = &site.shop.stack.workers[0];
    let release = env::var_os(OTHER).map(PathBuf::from);
    let settings = if release.is_some() { &[][..] } else { &OTHER_SETTINGS[..] };
    let other = OtherWorker::start(site.shop, release, settings).await?;
    sleep(duration).await;
    first.stop().await?;
    sleep(duration).await;
    first.start().await?;
    drop(other);
    Ok(())
}
