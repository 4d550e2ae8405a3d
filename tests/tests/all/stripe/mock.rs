//! stripe-mock, Stripe's own server for tests. It checks each request against Stripe's OpenAPI
//! document. Its answers have the right fields, but do not depend on earlier requests.

use crate::support::until_ok;
use anyhow::{Context as _, Result};
use axum::http::{HeaderMap, Method};
use local::{Tools, free_port};
use reqwest::Client;
use serde_json::Value;
use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::sync::OnceCell;

/// Runs a program until this process ends for any reason. Rust does not drop statics.
const GUARD: &str = r#""$@" & trap "kill $!" EXIT; cat >/dev/null"#;

/// One server for all tests, because it keeps no state and takes a second to start.
static SHARED: OnceCell<StripeMock> = OnceCell::const_new();

pub(super) struct StripeMock {
    _guard: Child,
    http: Client,
    url: String,
    /// The URL with a self-signed certificate.
    pub(super) tls_url: String,
}

impl StripeMock {
    pub(super) async fn shared() -> Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    async fn start() -> Result<Self> {
        let program = Tools::default().installed("stripe-mock").context("local/install stripe-mock")?;
        let [address, tls_address] = [free_port()?, free_port()?].map(|port| format!("127.0.0.1:{port}"));
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(program)
            .args(["-http-addr", &address, "-https-addr", &tls_address])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let (url, tls_url) = (format!("http://{address}"), format!("https://{tls_address}"));
        let mock = Self { _guard: guard, http: Client::builder().no_proxy().build()?, url, tls_url };
        until_ok("stripe-mock answers", Duration::from_secs(20), async || Ok(mock.http.get(&mock.url).send().await?)).await?;
        Ok(mock)
    }

    /// The answer of stripe-mock to a request: status and JSON.
    pub(super) async fn check(&self, method: &Method, target: &str, headers: &HeaderMap, body: &[u8]) -> Result<(u16, Value)> {
        let mut request = self.http.request(method.clone(), format!("{}{target}", self.url)).body(body.to_vec());
        for name in ["authorization", "content-type", "idempotency-key", "stripe-version"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let response = request.send().await?;
        Ok((response.status().as_u16(), serde_json::from_str(&response.text().await?)?))
    }
}
