//! A Prometheus that scrapes a stack, with the rules of `observability/rules`.

use super::{Shop, until_ok};
use anyhow::{Context as _, Result, ensure};
use local::{Tools, free_port, project};
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

pub(crate) struct Prometheus {
    process: Child,
    http: reqwest::Client,
    url: String,
}

/// A program of Prometheus: `prometheus` or `promtool`.
pub(crate) fn program(name: &str) -> PathBuf {
    Tools::default().installed(name).expect("local/install prometheus")
}

impl Prometheus {
    /// Starts a Prometheus that scrapes and evaluates once in `seconds`. `change` changes the text
    /// of each file of rules.
    pub(crate) async fn start(shop: &Shop, seconds: u32, change: impl Fn(&str) -> String) -> Result<Self> {
        let (folder, port) = (shop.folder()?.join("prometheus"), free_port()?);
        fs::create_dir_all(&folder)?;
        let settings = shop.stack.settings();
        let mut config = format!(
            "global: {{ scrape_interval: {seconds}s, evaluation_interval: {seconds}s }}\nrule_files: [alerts.yml, slo.yml]\nscrape_configs:\n"
        );
        for (job, key) in [("worker", "WORKER_PORT"), ("api", "API_METRICS_PORT"), ("temporal", "TEMPORAL_METRICS_PORT")] {
            writeln!(config, "  - {{ job_name: {job}, static_configs: [{{ targets: ['127.0.0.1:{}'] }}] }}", settings.port(key)?)?;
        }
        fs::write(folder.join("prometheus.yml"), config)?;
        for file in ["alerts.yml", "slo.yml"] {
            fs::write(folder.join(file), change(&fs::read_to_string(project().join("observability/rules").join(file))?))?;
        }
        let process = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=warn")
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(shop.folder()?.join("logs/prometheus.log"))?)
            .spawn()?;
        let prometheus = Self { process, http: shop.http.clone(), url: format!("http://127.0.0.1:{port}") };
        until_ok("Prometheus has scraped all", Duration::from_secs(40), async || {
            let up = prometheus.query("up == 1").await?;
            ensure!(up.len() == 3, "up: {up:?}");
            Ok(())
        })
        .await?;
        Ok(prometheus)
    }

    /// The result of a query at this moment: one item for each series.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<Value>> {
        let answer: Value = self.get("query", &[("query", query)]).await?;
        Ok(answer["result"].as_array().cloned().unwrap_or_default())
    }

    /// The names of the alerts that ring now.
    pub(crate) async fn ringing(&self) -> Result<Vec<String>> {
        let answer = self.get("alerts", &[]).await?;
        let firing = answer["alerts"].as_array().into_iter().flatten().filter(|alert| alert["state"] == "firing");
        let mut names: Vec<String> = firing.filter_map(|alert| alert["labels"]["alertname"].as_str()).map(ToOwned::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The rules as Prometheus has read them.
    pub(crate) async fn rules(&self) -> Result<Value> {
        self.get("rules", &[]).await
    }

    async fn get(&self, what: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let answer: Value = self.http.get(format!("{}/api/v1/{what}?{query}", self.url)).send().await?.json().await?;
        ensure!(answer["status"] == "success", "{parameters:?}: {answer}");
        Ok(answer.get("data").context("no data")?.clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
