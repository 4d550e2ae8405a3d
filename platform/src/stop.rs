//! Being told to stop.

use std::{io, process, thread, time::Duration};
use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Turns true once this process is asked to stop, by SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
/// When the signals cannot be watched.
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
        tracing::info!("told to stop; finishing what has begun");
        ask.send_replace(true);
    });
    Ok(asked)
}

/// Returns when it is time to stop.
pub async fn wait(mut asked: watch::Receiver<bool>) {
    // An error means that nobody is left to say so: stop too.
    let _ = asked.wait_for(|asked| *asked).await;
}

/// Ends the process when it has not ended this long after it was asked to, whatever it waits for: a server that is frozen, or a call that a library
/// cannot give up. Whoever asked it to stop would kill it otherwise. What it had begun goes on elsewhere, as after a crash.
pub fn enforce(asked: watch::Receiver<bool>, limit: Duration) {
    tokio::spawn(async move {
        wait(asked).await;
        // A thread, since the runtime itself may wait when it is shut down.
        thread::spawn(move || {
            thread::sleep(limit);
            tracing::warn!("stopped after {} ms, though not all that was begun has ended", limit.as_millis());
            process::exit(0);
        });
    });
}
