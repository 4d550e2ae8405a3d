//! A worker beside those of the stack, of another release or with other settings.

use super::{Shop, until_ok};
use anyhow::{Context as _, Result};
use local::{Tools, free_port, project};
use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

pub(crate) struct OtherWorker(Child);

impl OtherWorker {
    /// Starts the worker and waits until it is ready. `release` is the binary of another release.
    pub(crate) async fn start(shop: &Shop, release: Option<PathBuf>, settings: &[(&str, &str)]) -> Result<Self> {
        let (port, log) = (free_port()?, shop.folder()?.join("logs/other-worker.log"));
        let program = release.map_or_else(|| Tools::built("worker"), Ok)?;
        let process = Command::new(&program)
            .arg("run")
            .current_dir(project())
            .envs(shop.stack.env())
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
            shop.http.get(&ready).send().await?.error_for_status()?;
            Ok(())
        })
        .await
        .with_context(|| shop.log(&log))?;
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
