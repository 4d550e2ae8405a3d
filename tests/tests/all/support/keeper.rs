//! Ends what a static holds. Rust drops no static, and a test run may be killed: so a small process of its own waits until this one has gone, in
//! whatever way, and then stops the shared stack's servers and removes its folder.

use super::Shop;
use anyhow::{Context as _, Result};
use std::{
    io::Write as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

/// Reads until this process ends; a line means that a test failed and that the folder is to be kept.
const SCRIPT: &str = r#"
kept=$(cat)
folder=$1; shift
kill "$@" 2>/dev/null
patience=300
for pid; do
  while kill -0 "$pid" 2>/dev/null && [ $((patience -= 1)) -gt 0 ]; do sleep 0.1; done
done
[ -n "$kept" ] || rm -rf "$folder"
"#;

pub(crate) struct Keeper {
    _process: Child,
    told: Mutex<ChildStdin>,
    folder: String,
}

impl Keeper {
    pub(crate) fn of(shop: &Shop) -> Result<Self> {
        let folder = shop.folder()?.display().to_string();
        let pids = shop.stack.servers().into_iter().filter_map(|server| server.pid()).map(|pid| pid.to_string());
        let mut process = Command::new("sh")
            .args(["-c", SCRIPT, "keeper", &folder])
            .args(pids)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let told = process.stdin.take().context("no stdin")?;
        Ok(Self { _process: process, told: Mutex::new(told), folder })
    }

    /// Held by a test while it runs; sees whether it fails.
    pub(crate) fn witness(&self) -> Witness<'_> {
        Witness(self)
    }
}

pub(crate) struct Witness<'a>(&'a Keeper);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = writeln!(self.0.told.lock().unwrap_or_else(PoisonError::into_inner), "keep");
            eprintln!("the shared stack's data and logs are in {}", self.0.folder);
        }
    }
}
