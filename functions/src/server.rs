//! All handlers on one plain HTTP server, for local mode and for machines without Lambda.
//!
//! A stranger can make this server hold a bounded number of connections, each for a bounded time
//! without a whole request, and each with bounded memory ([`Limits`]).

mod answer;
mod connection;
mod wire;

use crate::{api, http::finish, page::Page, state::AppState};
use anyhow::Context;
use axum::{Router, extract::Request};
use platform::stop;
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    select,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

#[derive(clap::Args, Clone, Debug)]
#[group(id = "server")]
pub struct Settings {
    /// Address to listen on.
    #[arg(long, env = "API_HOST", default_value = "127.0.0.1")]
    pub api_host: IpAddr,
    /// Port to listen on.
    #[arg(long, env = "API_PORT", default_value_t = 8080)]
    pub api_port: u16,
    /// Connections that are open at once; further ones wait until one ends.
    #[arg(long, env = "API_MAX_CONNECTIONS", default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..))]
    pub api_max_connections: u16,
}

/// What a client can make the server hold, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections that are open at once.
    pub connections: usize,
    /// From the start of a connection, or from the last answer, until the next request's headers
    /// are there. A connection that is idle for so long is closed.
    pub head: Duration,
    /// From a request's headers until its whole body is there.
    pub body: Duration,
    /// How long a client may take no byte of its answer.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 512, head: Duration::from_secs(20), body: Duration::from_secs(10), write: Duration::from_secs(20) }
    }
}

/// How long requests that are under way may take to end after the signal to stop.
pub const DRAIN: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves the API and the page until `stop` changes, then ends what is under way.
///
/// # Errors
/// When the port cannot be had.
pub async fn run(settings: &Settings, page: Page, state: AppState, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let (host, port) = (settings.api_host, settings.api_port);
    let listener = TcpListener::bind((host, port)).await.with_context(|| format!("cannot listen on {host}, API_PORT {port}"))?;
    let app = finish(api::routes().with_state(state), async move |request: Request| page.serve(request).await);
    tracing::info!("listening on http://{host}:{port}");
    serve(listener, app, Limits { connections: settings.api_max_connections.into(), ..Limits::default() }, stop).await;
    Ok(())
}

/// Serves `app` until `stop` changes, then ends what is under way.
pub async fn serve(listener: TcpListener, app: Router, limits: Limits, stop: watch::Receiver<bool>) {
    let places = || Arc::new(Semaphore::new(limits.connections));
    let slots = Slots { free: places(), lingering: places(), crowded: watch::Sender::new(()) };
    let mut connections = JoinSet::new();
    let stopping = stop::wait(stop.clone());
    tokio::pin!(stopping);
    loop {
        let accepted = async {
            // Only whoever is there already asks the others to make room.
            let accepted = listener.accept().await;
            (accepted, slots.acquire().await)
        };
        let (accepted, place) = select! {
            biased;
            () = &mut stopping => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection::serve(stream, app.clone(), limits, stop.clone(), slots.crowded.subscribe(), place));
            }
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN, ended).await.is_err() {
        tracing::warn!("stopped with requests under way after {} s", DRAIN.as_secs());
    }
}

/// The places for connections.
struct Slots {
    free: Arc<Semaphore>,
    /// Places for connections that are done and wait for their client to close.
    lingering: Arc<Semaphore>,
    /// Tells all connections that another one waits.
    crowded: watch::Sender<()>,
}

/// A connection's place.
struct Place {
    /// The semaphore is never closed, so there is always a permit.
    open: Option<OwnedSemaphorePermit>,
    lingering: Arc<Semaphore>,
}

impl Place {
    /// Exchanges the place for one among the connections that linger; `None` if there is none left.
    fn linger(self) -> Option<OwnedSemaphorePermit> {
        drop(self.open);
        self.lingering.try_acquire_owned().ok()
    }
}

impl Slots {
    /// Waits for a place. When all are taken, connections that are idle end at once, and the others
    /// after the request that is under way.
    async fn acquire(&self) -> Place {
        let place = |open| Place { open, lingering: Arc::clone(&self.lingering) };
        if let Ok(open) = Arc::clone(&self.free).try_acquire_owned() {
            return place(Some(open));
        }
        tracing::warn!("all connections are taken (API_MAX_CONNECTIONS); the idle ones are closed");
        self.crowded.send_replace(());
        place(Arc::clone(&self.free).acquire_owned().await.ok())
    }
}
