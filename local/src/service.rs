//! The kinds of servers: how each is started, and when it is ready.

mod binary;
mod emulator;
mod jaeger;
mod postgres;
mod temporal;

pub use binary::Binary;
pub use emulator::Emulator;
pub use jaeger::Jaeger;
pub use postgres::Postgres;
pub use temporal::Temporal;

use crate::process::{Launch, Signal};
use anyhow::Result;
use futures::future::{BoxFuture, FutureExt as _};
use std::{path::Path, time::Duration};

/// One kind of server.
pub trait Service: Send + Sync {
    /// The name of the server in messages, and of its log file.
    fn name(&self) -> &str;

    /// Describes how to start the server. It first creates what the server needs, such as a
    /// database cluster.
    ///
    /// # Errors
    /// Fails if something that the server needs is missing.
    fn launch(&self) -> Result<Launch>;

    /// The signal that asks the server for an orderly stop.
    fn stop_signal(&self) -> Signal {
        Signal::TERM
    }

    /// Checks that the server is ready for its clients.
    fn check(&self) -> BoxFuture<'_, Result<()>>;

    /// Prepares the server for its clients, after each start. Doing it twice is harmless.
    fn prepare(&self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    /// The ports on which the server listens: host, port, and the name of the setting.
    fn listens(&self) -> Vec<(String, u16, &'static str)>;
}

/// The maximum time for one request to a server.
const ANSWER: Duration = Duration::from_secs(5);

/// An HTTP client for requests to servers on this machine.
fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?)
}

/// Sends a GET to the URL. Fails if there is no answer, or if its status is 4xx or 5xx.
async fn answers(http: &reqwest::Client, url: &str) -> Result<()> {
    http.get(url).send().await?.error_for_status()?;
    Ok(())
}

/// A path as a command-line argument.
fn argument(path: &Path) -> String {
    path.display().to_string()
}
