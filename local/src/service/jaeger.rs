//! Jaeger: keeps the traces of the worker and `api`. It has no page, because its module is built
//! without one. OrderFlow's page shows the traces.

use super::{Service, answers, argument, http};
use crate::{Settings, Tools, process::Launch, project};
use anyhow::{Context as _, Result};
use futures::future::{BoxFuture, FutureExt as _};
use std::path::PathBuf;

/// The host on which Jaeger listens (local/jaeger.yaml).
const HOST: &str = "127.0.0.1";

/// Jaeger, with its traces in memory.
pub struct Jaeger {
    program: PathBuf,
    otlp_port: u16,
    web_port: u16,
    http: reqwest::Client,
}

impl Jaeger {
    /// Jaeger if `TRACES` is 1, and the settings with which the worker and `api` use it. A setting
    /// that has a value already keeps it.
    ///
    /// # Errors
    /// Fails if a setting or the program is missing.
    pub fn new(settings: &mut Settings, tools: &Tools) -> Result<Option<Self>> {
        if settings.get("TRACES").unwrap_or_default() != "1" {
            return Ok(None);
        }
        let (otlp_port, web_port) = (settings.port("TRACES_OTLP_PORT")?, settings.port("TRACES_WEB_PORT")?);
        for (key, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{HOST}:{otlp_port}")),
            ("OTEL_TRACES_SAMPLER_ARG", "1".to_owned()),
            ("TRACES_QUERY_URL", format!("http://{HOST}:{web_port}")),
        ] {
            if settings.get(key).is_err() {
                settings.set(key, value);
            }
        }
        let program = tools.installed("jaeger").context("TRACES=1 needs Jaeger: run `local/install jaeger`")?;
        Ok(Some(Self { program, otlp_port, web_port, http: http()? }))
    }
}

impl Service for Jaeger {
    fn name(&self) -> &'static str {
        "jaeger"
    }

    fn launch(&self) -> Result<Launch> {
        let ports = [("TRACES_OTLP_PORT", self.otlp_port), ("TRACES_WEB_PORT", self.web_port)];
        let env = ports.map(|(key, port)| (key.to_owned(), port.to_string()));
        Ok(Launch::new(&self.program).args(["--config".to_owned(), argument(&project().join("local/jaeger.yaml"))]).env(env.to_vec()))
    }

    fn check(&self) -> BoxFuture<'_, Result<()>> {
        async { answers(&self.http, &format!("http://{HOST}:{}/api/services", self.web_port)).await }.boxed()
    }

    fn listens(&self) -> Vec<(String, u16, &'static str)> {
        vec![(HOST.to_owned(), self.otlp_port, "TRACES_OTLP_PORT"), (HOST.to_owned(), self.web_port, "TRACES_WEB_PORT")]
    }
}
