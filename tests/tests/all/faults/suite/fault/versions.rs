//! Two versions of the worker at once, as in a rolling deployment: each goes on with orders that the other has begun.

use super::Site;
use crate::support::until_ok;
use anyhow::{Context as _, Result};
use local::{Tools, free_port, project};
use std::{
    env,
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
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

struct OtherWorker(Child);

pub(super) fn name() -> &'static str {
    if env::var_os(OTHER).is_some() { "two releases of the worker side by side" } else { "two differently set workers side by side" }
}

/// The other one comes, works beside the first for so long, as long alone, and is killed when the first is back.
pub(super) async fn deploy(site: &Site<'_>, duration: Duration) -> Result<()> {
    let first = &site.shop.stack.workers[0];
    let other = OtherWorker::start(site).await?;
    sleep(duration).await;
    first.stop().await?;
    sleep(duration).await;
    first.start().await?;
    drop(other);
    Ok(())
}

impl OtherWorker {
    async fn start(site: &Site<'_>) -> Result<Self> {
        let (port, log) = (free_port()?, site.shop.folder()?.join("logs/other-worker.log"));
        let release = env::var_os(OTHER).map(PathBuf::from);
        let settings = if release.is_some() { &[][..] } else { &OTHER_SETTINGS[..] };
        let program = release.map_or_else(|| Tools::built("worker"), Ok)?;
        let process = Command::new(&program)
            .arg("run")
            .current_dir(project())
            .envs(site.shop.stack.env())
            .envs(settings.iter().copied())
            .env("WORKER_PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let other = Self(process);
        let ready = format!("http://127.0.0.1:{port}/health/ready");
        until_ok("the other worker is ready", Duration::from_secs(60), async || {
            site.shop.http.get(&ready).send().await?.error_for_status()?;
            Ok(())
        })
        .await
        .with_context(|| site.shop.log(&log))?;
        Ok(other)
    }
}

impl Drop for OtherWorker {
    /// `kill -9`.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
