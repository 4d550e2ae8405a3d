//! Stops the shared stack at the end of a test run. Rust does not drop statics, and a test run may
//! be killed. So a separate small process waits until this one has ended for any reason. Then it
//! stops the servers of the shared stack and removes its folder.

use super::Shop;
use anyhow::{Context as _, Result};
use std::{
    io::Write as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

/// The script reads until this process ends. A line in its input means that a test failed and that
/// the folder must be kept.
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

    /// Each test holds a witness while it runs; the witness notices a failure.
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
