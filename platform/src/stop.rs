//! Being told to stop.

use std::io;
use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Turns true once this process is asked to stop, by SIGTERM or SIGINT.
///
/// # Errors
/// When the signals cannot be watched.
pub fn requested() -> io::Result<watch::Receiver<bool>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (ask, asked) = watch::channel(false);
    tokio::spawn(async move {
        select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
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
