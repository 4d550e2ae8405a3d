//! What each server is: how it is started, and when it is ready.

mod binary;
mod emulator;
mod postgres;
mod temporal;

pub use binary::Binary;
pub use emulator::Emulator;
pub use postgres::Postgres;
pub use temporal::Temporal;

use crate::process::{Launch, Signal};
use anyhow::Result;
use futures::future::{BoxFuture, FutureExt as _};
use std::{path::Path, time::Duration};

/// One kind of server.
pub trait Service: Send + Sync {
    /// Its name in messages and of its log.
    fn name(&self) -> &str;

    /// How to start it. What must be there before, such as a database cluster, is made here.
    ///
    /// # Errors
    /// When something that it needs is missing.
    fn launch(&self) -> Result<Launch>;

    /// The signal that asks it for an orderly end.
    fn stop_signal(&self) -> Signal {
        Signal::TERM
    }

    /// Succeeds once it answers as a client needs it.
    fn check(&self) -> BoxFuture<'_, Result<()>>;

    /// What must be done after each start before clients can use it. Doing it twice is harmless.
    fn prepare(&self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    /// The ports that it listens on: host, port, and the setting that holds it.
    fn listens(&self) -> Vec<(String, u16, &'static str)>;
}

/// How long one question to a server may take.
const ANSWER: Duration = Duration::from_secs(5);

/// An HTTP client for asking servers of this machine.
fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?)
}

/// Succeeds when a GET of the address answers 2xx.
async fn answers(http: &reqwest::Client, url: &str) -> Result<()> {
    http.get(url).send().await?.error_for_status()?;
    Ok(())
}

/// A path as an argument of a command line.
fn argument(path: &Path) -> String {
    path.display().to_string()
}
