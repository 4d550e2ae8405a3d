//! A second `api` on the servers of a stack, with its own settings.

use super::{Shop, until_ok};
use anyhow::{Result, ensure};
use local::{Tools, free_port, project};
use reqwest::{Method, RequestBuilder};
use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

pub(crate) struct SecondApi {
    process: Child,
    http: reqwest::Client,
    url: String,
    pub(crate) log: PathBuf,
}

impl SecondApi {
    pub(crate) async fn start(shop: &Shop, settings: &[(String, String)]) -> Result<Self> {
        let port = free_port()?;
        let log = shop.folder()?.join(format!("logs/api-{port}.log"));
        let process = Command::new(Tools::built("api")?)
            .current_dir(project())
            .envs(shop.stack.env())
            .envs(settings.iter().map(|(key, value)| (key, value)))
            .env("API_PORT", port.to_string())
            .env("API_METRICS_PORT", free_port()?.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let api = Self { process, http: shop.http.clone(), url: format!("http://127.0.0.1:{port}"), log };
        until_ok("the second api answers", Duration::from_secs(20), async || {
            let answered = api.http.get(format!("{}/api/health", api.url)).send().await?;
            ensure!(answered.status().is_success(), "{}", answered.status());
            Ok(())
        })
        .await?;
        Ok(api)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }
}

impl Drop for SecondApi {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
