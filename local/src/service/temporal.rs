//! The Temporal development server: the real server and its UI in one process, on SQLite.

use super::{Service, argument};
use crate::{Settings, Tools, process::Launch};
use anyhow::{Result, bail};
use futures::future::{BoxFuture, FutureExt as _};
use std::path::{Path, PathBuf};
use tokio::{net::TcpStream, process::Command};

/// How long the server keeps finished workflows, so that a developer finds Friday's order on Monday.
const RETENTION: &str = "72h";

/// The Temporal development server, with its data in one file.
pub struct Temporal {
    program: PathBuf,
    host: String,
    port: u16,
    web_port: u16,
    namespace: String,
    file: PathBuf,
}

impl Temporal {
    /// A server with its data under `data`.
    ///
    /// # Errors
    /// When a setting or the program is missing.
    pub fn new(settings: &Settings, tools: &Tools, data: &Path) -> Result<Self> {
        let (host, port) = settings.temporal()?;
        Ok(Self {
            program: tools.installed("temporal")?,
            host: host.to_owned(),
            port,
            web_port: settings.port("TEMPORAL_WEB_PORT")?,
            namespace: settings.get("TEMPORAL_NAMESPACE")?.to_owned(),
            file: data.join("temporal.db"),
        })
    }

    /// Runs a command of Temporal's CLI against the server, and gives its output.
    ///
    /// # Errors
    /// When the command fails; the error holds what it said.
    pub async fn cli(&self, args: &[&str]) -> Result<String> {
        let address = format!("{}:{}", self.host, self.port);
        let output = Command::new(&self.program).args(args).args(["--address", &address, "--namespace", &self.namespace]).output().await?;
        if !output.status.success() {
            bail!("temporal {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Service for Temporal {
    fn name(&self) -> &'static str {
        "temporal"
    }

    fn launch(&self) -> Result<Launch> {
        let (port, web_port) = (self.port.to_string(), self.web_port.to_string());
        Ok(Launch::new(&self.program)
            .args(["server", "start-dev", "--log-level", "warn", "--ip", &self.host, "--port", &port])
            .args(["--ui-ip", &self.host, "--ui-port", &web_port, "--namespace", &self.namespace])
            .args(["--db-filename".to_owned(), argument(&self.file)])
            // A log that is synced now and then instead of a journal synced at each write: it loses nothing when the server is killed, and the
            // disk has a hundredth of the work. The log is emptied each 64 MB instead of each 4 (in pages): the server has one connection to its
            // database, on which all wait meanwhile, and a page that was written often is copied once.
            .args(["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"])
            .args(["--sqlite-pragma", "wal_autocheckpoint=16000"]))
    }

    fn check(&self) -> BoxFuture<'_, Result<()>> {
        async {
            // The CLI takes a while to say that nothing listens.
            TcpStream::connect((self.host.as_str(), self.port)).await?;
            self.cli(&["operator", "namespace", "describe"]).await?;
            Ok(())
        }
        .boxed()
    }

    fn prepare(&self) -> BoxFuture<'_, Result<()>> {
        async {
            self.cli(&["operator", "namespace", "update", "--retention", RETENTION]).await?;
            Ok(())
        }
        .boxed()
    }

    fn listens(&self) -> Vec<(String, u16, &'static str)> {
        vec![(self.host.clone(), self.port, "TEMPORAL_HOST_PORT"), (self.host.clone(), self.web_port, "TEMPORAL_WEB_PORT")]
    }
}
