//! Stopping a process in an orderly way.

use std::{io, process, thread, time::Duration};
use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Returns a flag that becomes true when this process receives SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
/// Fails if the signal handlers cannot be installed.
pub fn requested() -> io::Result<watch::Receiver<bool>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let (ask, asked) = watch::channel(false);
    tokio::spawn(async move {
        select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        tracing::info!("asked to stop; finishing the work that has begun");
        ask.send_replace(true);
    });
    Ok(asked)
}

/// Waits until the process is asked to stop.
pub async fn wait(mut asked: watch::Receiver<bool>) {
    // An error means that the sender is gone. Then stop, too.
    let _ = asked.wait_for(|asked| *asked).await;
}

/// Ends the process if it is still running `limit` after it was asked to stop. The process may be
/// waiting for a frozen server, or for a library call that cannot be cancelled. Without this, the
/// service manager would kill the process. Unfinished work continues in another process, as after a
/// crash.
pub fn enforce(asked: watch::Receiver<bool>, limit: Duration) {
    tokio::spawn(async move {
        wait(asked).await;
        // Use a thread, because the shutdown of the async runtime may block, too.
        thread::spawn(move || {
            thread::sleep(limit);
            tracing::warn!("stopped {} ms after the request to stop; some work is not finished", limit.as_millis());
            process::exit(0);
        });
    });
}
