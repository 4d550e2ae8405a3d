//! The AWS emulator, with the tables and queues of infra/data.yaml.

use super::{Service, answers, argument, http};
use crate::{Settings, Tools, process::Launch, provision::Provision};
use anyhow::Result;
use futures::future::{BoxFuture, FutureExt as _};
use std::path::{Path, PathBuf};

/// The arguments of uvicorn, which runs ministack's application. uvicorn uses two fifths less CPU
/// per call than ministack's own server.
const ARGS: &[&str] = &[
    "ministack.app:app",
    "--loop=uvloop",
    "--http=httptools",
    "--timeout-keep-alive=75",
    "--timeout-graceful-shutdown=3",
    "--log-level=warning",
    "--no-access-log",
    "--no-proxy-headers",
    // The application sets these headers itself, as AWS does.
    "--no-server-header",
    "--no-date-header",
];

/// The AWS emulator (ministack). It keeps its data in memory. An orderly stop saves the data to
/// files, and the next start loads them.
pub struct Emulator {
    program: PathBuf,
    host: String,
    port: u16,
    region: String,
    access_key: String,
    state: PathBuf,
    http: reqwest::Client,
    provision: Provision,
}

impl Emulator {
    /// An emulator that saves its data under `data`.
    ///
    /// # Errors
    /// Fails if a setting or the program is missing.
    pub fn new(settings: &Settings, tools: &Tools, data: &Path) -> Result<Self> {
        let (host, port) = settings.emulator()?;
        Ok(Self {
            program: tools.installed("uvicorn")?,
            host: host.to_owned(),
            port,
            region: settings.get("AWS_REGION")?.to_owned(),
            access_key: settings.get("AWS_ACCESS_KEY_ID")?.to_owned(),
            state: data.join("emulator"),
            http: http()?,
            provision: Provision::new(settings)?,
        })
    }

    /// Deletes all of its data, then creates the tables and queues again.
    ///
    /// # Errors
    /// Fails if the emulator does not answer.
    pub async fn reset(&self) -> Result<()> {
        self.http.post(self.url("/_ministack/reset")).send().await?.error_for_status()?;
        self.provision.run().await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}:{}{path}", self.host, self.port)
    }
}

impl Service for Emulator {
    fn name(&self) -> &'static str {
        "emulator"
    }

    fn launch(&self) -> Result<Launch> {
        let address = [format!("--host={}", self.host), format!("--port={}", self.port)];
        Ok(Launch::new(&self.program).args(ARGS.iter().copied()).args(address).env([
            ("GATEWAY_PORT", self.port.to_string()),
            ("MINISTACK_HOST", self.host.clone()),
            ("MINISTACK_REGION", self.region.clone()),
            // Functions that the emulator runs call it at this URL. With AUTH=true, it gives each
            // caller only the permissions of its role. The owner of this access key may do
            // everything.
            ("AWS_ENDPOINT_URL", self.url("")),
            ("AWS_ACCESS_KEY_ID", self.access_key.clone()),
            ("PERSIST_STATE", "1".to_owned()),
            ("STATE_DIR", argument(&self.state)),
            // These listeners are not used here, and one of them would listen on all addresses.
            ("IOT_MTLS_ENABLED", "0".to_owned()),
            ("SFTP_ENABLED", "0".to_owned()),
            ("LOG_LEVEL", "WARNING".to_owned()),
        ]))
    }

    fn check(&self) -> BoxFuture<'_, Result<()>> {
        async { answers(&self.http, &self.url("/_ministack/ready")).await }.boxed()
    }

    fn prepare(&self) -> BoxFuture<'_, Result<()>> {
        self.provision.run().boxed()
    }

    fn listens(&self) -> Vec<(String, u16, &'static str)> {
        vec![(self.host.clone(), self.port, "AWS_ENDPOINT_URL (and the URLs of queues)")]
    }
}
