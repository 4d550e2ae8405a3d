//! OrderFlow's own servers, which are binaries of this workspace.

use super::{Service, answers, http};
use crate::{Settings, Tools, process::Launch};
use anyhow::Result;
use futures::future::{BoxFuture, FutureExt as _};

/// A server of OrderFlow: a worker or `api`.
pub struct Binary {
    name: String,
    program: &'static str,
    args: &'static [&'static str],
    env: Vec<(String, String)>,
    host: String,
    port: u16,
    port_setting: &'static str,
    /// Host and port of the metrics, if they have a port of their own.
    metrics: Option<(String, u16)>,
    health: String,
    http: reqwest::Client,
}

impl Binary {
    /// A worker called `name`. It is ready when it polls for tasks.
    ///
    /// # Errors
    /// Fails if a setting is missing.
    pub fn worker(name: &str, settings: &Settings) -> Result<Self> {
        Self::new(name, "worker", &["run"], settings, ("WORKER_HOST", "WORKER_PORT"), "/health/ready")
    }

    /// The HTTP API with the page. It is ready when all servers that it depends on answer.
    ///
    /// # Errors
    /// Fails if a setting is missing.
    pub fn api(settings: &Settings) -> Result<Self> {
        let api = Self::new("api", "api", &[], settings, ("API_HOST", "API_PORT"), "/api/health")?;
        let metrics = (settings.get("API_METRICS_HOST")?.to_owned(), settings.port("API_METRICS_PORT")?);
        Ok(Self { metrics: Some(metrics), ..api })
    }

    fn new(
        name: &str,
        program: &'static str,
        args: &'static [&'static str],
        settings: &Settings,
        (host_setting, port_setting): (&str, &'static str),
        health: &str,
    ) -> Result<Self> {
        let (host, port) = (settings.get(host_setting)?.to_owned(), settings.port(port_setting)?);
        Ok(Self {
            name: name.to_owned(),
            program,
            args,
            env: settings.env(),
            health: format!("http://{host}:{port}{health}"),
            host,
            port,
            port_setting,
            metrics: None,
            http: http()?,
        })
    }
}

impl Service for Binary {
    fn name(&self) -> &str {
        &self.name
    }

    fn launch(&self) -> Result<Launch> {
        Ok(Launch::new(Tools::built(self.program)?).args(self.args.iter().copied()).env(self.env.clone()))
    }

    fn check(&self) -> BoxFuture<'_, Result<()>> {
        answers(&self.http, &self.health).boxed()
    }

    fn listens(&self) -> Vec<(String, u16, &'static str)> {
        let metrics = self.metrics.iter().map(|(host, port)| (host.clone(), *port, "API_METRICS_PORT"));
        [(self.host.clone(), self.port, self.port_setting)].into_iter().chain(metrics).collect()
    }
}
