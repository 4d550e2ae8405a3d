//! The Temporal development server: the real server and its UI in one process, with data in SQLite.

use super::{Service, argument};
use crate::{Settings, Tools, process::Launch};
use anyhow::{Result, bail};
use futures::future::{BoxFuture, FutureExt as _};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, process::Command, task::spawn_blocking, time::sleep};

/// The time for which the server keeps finished workflows: long enough for a weekend.
const RETENTION: &str = "72h";
/// The maximum time to terminate all open workflows. The server terminates fifty per second.
const TERMINATED: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(200);
/// The indexes that stay. They serve lists of all workflows by time, and of workflows with an id, a
/// type or a status.
const INDEXES: [&str; 4] = ["default_idx", "by_workflow_id", "by_workflow_type", "by_status"];

/// The Temporal development server, with its data in one file.
pub struct Temporal {
    program: PathBuf,
    host: String,
    port: u16,
    web_port: u16,
    metrics_port: u16,
    namespace: String,
    file: PathBuf,
    /// Dynamic configuration: `key=value`, separated by commas.
    dynamic_config: String,
}

impl Temporal {
    /// A server with its data under `data`.
    ///
    /// # Errors
    /// Fails if a setting or the program is missing.
    pub fn new(settings: &Settings, tools: &Tools, data: &Path) -> Result<Self> {
        let (host, port) = settings.temporal()?;
        Ok(Self {
            program: tools.installed("temporal")?,
            host: host.to_owned(),
            port,
            web_port: settings.port("TEMPORAL_WEB_PORT")?,
            metrics_port: settings.port("TEMPORAL_METRICS_PORT")?,
            namespace: settings.get("TEMPORAL_NAMESPACE")?.to_owned(),
            file: data.join("temporal.db"),
            dynamic_config: settings.get("TEMPORAL_DYNAMIC_CONFIG").unwrap_or_default().to_owned(),
        })
    }

    /// Runs a command of Temporal's CLI on the server, and returns its output.
    ///
    /// # Errors
    /// Fails if the command fails. The error contains the command's error output.
    pub async fn cli(&self, args: &[&str]) -> Result<String> {
        let address = format!("{}:{}", self.host, self.port);
        let output = Command::new(&self.program).args(args).args(["--address", &address, "--namespace", &self.namespace]).output().await?;
        if !output.status.success() {
            bail!("temporal {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Terminates all open workflows. They are not notified.
    ///
    /// # Errors
    /// Fails if the server does not answer, or takes longer than [`TERMINATED`].
    pub async fn terminate_all(&self, reason: &str) -> Result<()> {
        let open = ["--query", "ExecutionStatus = 'Running'"];
        let deadline = Instant::now() + TERMINATED;
        self.cli(&[&["workflow", "terminate", "--yes", "--reason", reason], &open[..]].concat()).await?;
        // The server terminates them in the background, one after another.
        while self.cli(&[&["workflow", "count"], &open[..]].concat()).await?.trim() != "Total: 0" {
            if Instant::now() > deadline {
                bail!("workflows are still open after {} s", TERMINATED.as_secs());
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }
}

impl Service for Temporal {
    fn name(&self) -> &'static str {
        "temporal"
    }

    fn launch(&self) -> Result<Launch> {
        let [port, web_port, metrics_port] = [self.port, self.web_port, self.metrics_port].map(|port| port.to_string());
        let dynamic_config = self.dynamic_config.split(',').filter(|value| !value.is_empty());
        Ok(Launch::new(&self.program)
            .args(["server", "start-dev", "--log-level", "warn", "--ip", &self.host, "--port", &port])
            .args(["--metrics-port", &metrics_port])
            .args(["--ui-ip", &self.host, "--ui-port", &web_port, "--namespace", &self.namespace])
            .args(["--db-filename".to_owned(), argument(&self.file)])
            // SQLite uses a write-ahead log that is synced only at checkpoints, instead of a
            // journal that is synced at each write. Nothing is lost if the server is killed, and
            // the disk has a hundredth of the work. A checkpoint happens every 64 MB (the setting
            // counts pages) instead of every 4 MB. The server has one connection to its database,
            // so everything waits during a checkpoint. With few checkpoints, a page that is often
            // written is copied only once.
            .args(["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"])
            .args(["--sqlite-pragma", "wal_autocheckpoint=16000"])
            .args(dynamic_config.flat_map(|value| ["--dynamic-config-value", value])))
    }

    fn check(&self) -> BoxFuture<'_, Result<()>> {
        async {
            // If nothing listens, this fails at once. The CLI would take a while.
            TcpStream::connect((self.host.as_str(), self.port)).await?;
            self.cli(&["operator", "namespace", "describe"]).await?;
            Ok(())
        }
        .boxed()
    }

    fn prepare(&self) -> BoxFuture<'_, Result<()>> {
        async {
            self.cli(&["operator", "namespace", "update", "--retention", RETENTION]).await?;
            let file = self.file.clone();
            spawn_blocking(move || drop_idle_indexes(&file)).await?
        }
        .boxed()
    }

    fn listens(&self) -> Vec<(String, u16, &'static str)> {
        let listens =
            [(self.port, "TEMPORAL_HOST_PORT"), (self.web_port, "TEMPORAL_WEB_PORT"), (self.metrics_port, "TEMPORAL_METRICS_PORT")];
        listens.map(|(port, setting)| (self.host.clone(), port, setting)).into()
    }
}

/// Drops about forty indexes of the visibility table that OrderFlow does not query: one for each
/// search attribute that Temporal could have. The server writes each workflow to all of them when
/// it starts and when it ends, on its only database connection. A query by such an attribute still
/// works, but it reads the whole table.
fn drop_idle_indexes(file: &Path) -> Result<()> {
    // The server uses the file at the same time. Each waits for the other only briefly.
    let mut database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    database.busy_timeout(super::ANSWER)?;
    let change = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let named = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'executions_visibility' AND sql IS NOT NULL";
    let names: Vec<String> = change.prepare(named)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in names.iter().filter(|name| !INDEXES.contains(&name.as_str())) {
        change.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    Ok(change.commit()?)
}
