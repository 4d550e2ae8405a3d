//! All handlers on one plain HTTP server, for local mode and for machines without Lambda.

use crate::{api, http::finish, page::Page, parts::Accepting};
use anyhow::Context;
use axum::{extract::Request, serve::ListenerExt};
use platform::stop;
use std::{net::IpAddr, time::Duration};
use tokio::{net::TcpListener, select, sync::watch, time::sleep};

#[derive(clap::Args, Clone, Debug)]
#[group(id = "server")]
pub struct Settings {
    /// Address to listen on.
    #[arg(long, env = "API_HOST", default_value = "127.0.0.1")]
    pub api_host: IpAddr,
    /// Port to listen on.
    #[arg(long, env = "API_PORT", default_value_t = 8080)]
    pub api_port: u16,
}

/// How long requests that are under way may take to end after the signal to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves the API and the page until `stop` changes, then ends what is under way.
///
/// # Errors
/// When the port cannot be had.
pub async fn run(settings: &Settings, page: Page, parts: Accepting, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let (host, port) = (settings.api_host, settings.api_port);
    let listener = TcpListener::bind((host, port)).await.with_context(|| format!("cannot listen on {host}, API_PORT {port}"))?;
    let listener = listener.tap_io(|connection| {
        // Else a second answer on a connection waits for the acknowledgement of the first. A socket that refuses is only slower.
        let _ = connection.set_nodelay(true);
    });
    let app = finish(api::routes().with_state(parts), async move |request: Request| page.serve(request).await);
    tracing::info!("listening on http://{host}:{port}");

    let serving = axum::serve(listener, app).with_graceful_shutdown(stop::wait(stop.clone()));
    let overdue = async {
        stop::wait(stop).await;
        sleep(DRAIN).await;
    };
    select! {
        served = serving => served.context("the server ended"),
        () = overdue => {
            tracing::warn!("stopped with requests under way after {} s", DRAIN.as_secs());
            Ok(())
        }
    }
}
