//! Waits with a limit until a condition holds.
//!
//! A limit is the longest time that a wait takes on a quiet machine. A wait on a busy machine may
//! take [`SLACK`] times as long, so that only a hanging system fails a test.

use anyhow::{Context as _, Result, bail};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const PAUSE: Duration = Duration::from_millis(25);
const SLACK: u32 = 4;

/// Calls `ask` until it returns something, for at most [`SLACK`] times `limit`.
pub(crate) async fn until<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let limit = limit * SLACK;
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            bail!("not within {} s: {what}", limit.as_secs_f32());
        }
        sleep(PAUSE).await;
    }
}

/// Retries until `attempt` succeeds, for at most [`SLACK`] times `limit`. After that it returns the last error.
pub(crate) async fn until_ok<T>(what: &str, limit: Duration, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let limit = limit * SLACK;
    let deadline = Instant::now() + limit;
    loop {
        match attempt().await {
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("not within {} s: {what}", limit.as_secs_f32()));
            }
            Err(_) => sleep(PAUSE).await,
            done => return done,
        }
    }
}
