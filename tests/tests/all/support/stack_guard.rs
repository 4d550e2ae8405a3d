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

/// The script reads its input until this process ends. A line in the input means that a test failed
/// and that the folder must be kept.
const SCRIPT: &str = r#"
keep=$(cat)
folder=$1; shift
kill "$@" 2>/dev/null
attempts=300
for pid; do
  while kill -0 "$pid" 2>/dev/null && [ $((attempts -= 1)) -gt 0 ]; do sleep 0.1; done
done
[ -n "$keep" ] || rm -rf "$folder"
"#;

pub(crate) struct StackGuard {
    _process: Child,
    input: Mutex<ChildStdin>,
    folder: String,
}

impl StackGuard {
    pub(crate) fn new(shop: &Shop) -> Result<Self> {
        let folder = shop.folder()?.display().to_string();
        let pids = shop.stack.servers().into_iter().filter_map(|server| server.pid()).map(|pid| pid.to_string());
        let mut process = Command::new("sh")
            .args(["-c", SCRIPT, "stack-guard", &folder])
            .args(pids)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let input = process.stdin.take().context("no stdin")?;
        Ok(Self { _process: process, input: Mutex::new(input), folder })
    }

    /// Each test holds a watch while it runs; the watch notices a failure.
    pub(crate) fn watch_test(&self) -> TestWatch<'_> {
        TestWatch(self)
    }
}

pub(crate) struct TestWatch<'a>(&'a StackGuard);

impl Drop for TestWatch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = writeln!(self.0.input.lock().unwrap_or_else(PoisonError::into_inner), "keep");
            eprintln!("the shared stack's data and logs are in {}", self.0.folder);
        }
    }
}
