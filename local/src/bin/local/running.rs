//! Whether OrderFlow is running. While `up` runs, it holds a lock on a file that contains its
//! process id. When everything is ready, it adds a second line to the file.

use crate::terminal;
use anyhow::{Context, Result, bail};
use local::Signal;
use std::{
    fs::{self, File, TryLockError},
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::time::sleep;

const STOP_LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);
const READY: &str = "ready";

/// The lock on the file. The operating system releases it when the process ends, however it ends.
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Records in the file that everything is ready.
    pub(crate) fn ready(&mut self) -> Result<()> {
        Ok(writeln!(self.file, "{READY}")?)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("local.pid")
}

/// Takes the lock. Returns `None` if another process holds it.
pub(crate) fn lock(folder: &Path) -> Result<Option<Lock>> {
    let path = path(folder);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = File::options().create(true).append(true).open(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    file.set_len(0)?;
    let mut lock = Lock { file };
    writeln!(lock.file, "{}", std::process::id())?;
    Ok(Some(lock))
}

/// Whether the process that holds the lock has recorded that everything is ready.
pub(crate) fn is_ready(folder: &Path) -> bool {
    fs::read_to_string(path(folder)).is_ok_and(|text| text.lines().nth(1) == Some(READY))
}

/// Stops what `up` started, and waits until it has ended.
pub(crate) async fn stop(folder: &Path) -> Result<()> {
    if lock(folder)?.is_some() {
        terminal::say("OrderFlow is not running.");
        return Ok(());
    }
    let pid =
        fs::read_to_string(path(folder))?.lines().next().and_then(|line| line.parse().ok()).context("local.pid holds no process id")?;
    local::signal(pid, Signal::TERM);
    let deadline = Instant::now() + STOP_LIMIT;
    while lock(folder)?.is_none() {
        if Instant::now() > deadline {
            bail!("OrderFlow (process {pid}) has not stopped within {} s", STOP_LIMIT.as_secs());
        }
        sleep(PAUSE).await;
    }
    terminal::say("OrderFlow has stopped.");
    Ok(())
}
