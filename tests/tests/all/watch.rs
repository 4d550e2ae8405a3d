//! `cargo lambda watch` serves the same routes from the same binaries, through the router in the
//! workspace's Cargo.toml.

use crate::support::{Draft, Shop, answer, text, until, with_shared_stack};
use anyhow::{Context as _, Result, ensure};
use local::{Tools, free_port, project};
use reqwest::{Client, Method, StatusCode, header};
use serde_json::{Value, json};
use std::{
    env,
    fs::File,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The first request to a function builds it.
const BUILD: Duration = Duration::from_secs(240);

/// The watcher and all processes that it starts.
struct Watch {
    process: Child,
    http: Client,
    url: String,
}

impl Watch {
    fn start(shop: &Shop, program: &Path) -> Result<Self> {
        let port = free_port()?.to_string();
        let log = File::create(shop.folder()?.join("logs/watch.log"))?;
        let mut command = Command::new(program);
        // Removes the variables that cargo sets for a test and that a shell does not have. They
        // would make cargo compile ring again, and everything that depends on it, while the tests
        // are still running.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
                command.env_remove(name);
            }
        }
        let process = command
            .args(["lambda", "watch", "--ignore-changes", "--invoke-address", "127.0.0.1", "--invoke-port", &port])
            .current_dir(project())
            .envs(shop.stack.env())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let http = Client::builder().no_proxy().timeout(BUILD).build()?;
        Ok(Self { process, http, url: format!("http://127.0.0.1:{port}") })
    }

    async fn request(&self, method: Method, path: &str, body: Option<String>) -> Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        answer(request.send().await?).await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.process.wait();
    }
}

#[test]
fn watch_serves_the_same_routes() {
    let program = Tools::default().installed("cargo-lambda").expect("local/install cargo-lambda");
    with_shared_stack(async |shop| {
        let watch = Watch::start(shop, &program)?;
        until("it listens", Duration::from_secs(30), async || {
            Ok(watch.request(Method::GET, "/api/health/live", None).await.ok().filter(|(status, _)| *status == StatusCode::OK))
        })
        .await
        .with_context(|| shop.log(&shop.folder().unwrap_or_default().join("logs/watch.log")))?;

        let product = shop.product(1_000, 10).await?;
        let customer = shop.unique("CUST-watch");
        let draft = Draft::new(&customer).line(&product, 1).body().to_string();
        let (status, accepted) = watch.request(Method::POST, "/api/orders", Some(draft)).await?;
        assert_eq!((status, &accepted["status"]), (StatusCode::ACCEPTED, &json!("PENDING")), "{accepted}");
        let id = text(&accepted, "/id")?;
        let order = shop.ends(id, "COMPLETED").await?;
        assert_eq!(watch.request(Method::GET, &format!("/api/orders/{id}"), None).await?, (StatusCode::OK, order.clone()));
        let (status, list) = watch.request(Method::GET, &format!("/api/orders?customerID={customer}"), None).await?;
        assert_eq!((status, &list["items"]), (StatusCode::OK, &json!([order])));
        let (status, _) = watch.request(Method::POST, &format!("/api/orders/{id}/cancel"), Some("{}".to_owned())).await?;
        assert_eq!(status, StatusCode::CONFLICT);
        let (status, products) = watch.request(Method::GET, "/api/products", None).await?;
        ensure!(status == StatusCode::OK && products["items"].as_array().is_some_and(|items| items.len() >= 100), "{status}");
        let (status, health) = watch.request(Method::GET, "/api/health", None).await?;
        assert_eq!((status, &health["status"]), (StatusCode::OK, &json!("ok")));
        Ok(())
    });
}
