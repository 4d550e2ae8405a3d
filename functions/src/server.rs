//! An HTTP server for all handlers, for local mode and for machines without Lambda.
//!
//! A client cannot occupy the server without limit ([`Limits`]). The number of connections is
//! limited. A connection without a complete request is closed after a limited time, and each
//! connection uses a limited amount of memory.

mod answer;
mod connection;
mod metrics;
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
    /// Address on which the server listens.
    #[arg(long, env = "API_HOST", default_value = "127.0.0.1")]
    pub api_host: IpAddr,
    /// Port on which the server listens.
    #[arg(long, env = "API_PORT", default_value_t = 8080)]
    pub api_port: u16,
    /// Maximum number of open connections. Further connections wait until one ends.
    #[arg(long, env = "API_MAX_CONNECTIONS", default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..))]
    pub api_max_connections: u16,
    /// Address on which the metrics are served. They are not for the public.
    #[arg(long, env = "API_METRICS_HOST", default_value = "127.0.0.1")]
    pub api_metrics_host: IpAddr,
    /// Port on which the metrics are served.
    #[arg(long, env = "API_METRICS_PORT", default_value_t = 8082)]
    pub api_metrics_port: u16,
}

/// The limits on the number of connections, and on the time that each part of a request may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The maximum number of open connections.
    pub connections: usize,
    /// The time limit for receiving the headers of a request. It begins with the connection or
    /// after the last answer. A connection that is idle for this time is closed.
    pub head: Duration,
    /// The time limit for receiving the whole body, from the end of the headers.
    pub body: Duration,
    /// The time after which a client that reads no byte of its answer is disconnected.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 512, head: Duration::from_secs(20), body: Duration::from_secs(10), write: Duration::from_secs(20) }
    }
}

/// The time limit for running requests after the signal to stop.
pub const DRAIN: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted. The usual cause is a lack of file
/// descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves the API and the page until `stop` is true. It then finishes the running requests.
///
/// # Errors
/// Fails if it cannot listen on the ports, or if the metrics cannot be served any more.
pub async fn run(settings: &Settings, page: Page, state: AppState, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let (host, port) = (settings.api_host, settings.api_port);
    let listener = TcpListener::bind((host, port)).await.with_context(|| format!("cannot listen on {host}, API_PORT {port}"))?;
    let metrics = metrics::bind(settings).await?;
    let queues = Arc::clone(&state.queues);
    let app = finish(api::routes().with_state(state), async move |request: Request| page.serve(request).await);
    tracing::info!("listening on http://{host}:{port}");
    let limits = Limits { connections: settings.api_max_connections.into(), ..Limits::default() };
    select! {
        () = serve(listener, app, limits, stop) => Ok(()),
        ended = metrics::serve(metrics, queues) => ended,
    }
}

/// Serves `app` until `stop` is true. It then finishes the running requests.
pub async fn serve(listener: TcpListener, app: Router, limits: Limits, stop: watch::Receiver<bool>) {
    let semaphore = || Arc::new(Semaphore::new(limits.connections));
    let slots = ConnectionSlots { free: semaphore(), lingering: semaphore(), slot_wanted: watch::Sender::new(()) };
    let mut connections = JoinSet::new();
    let stopping = stop::wait(stop.clone());
    tokio::pin!(stopping);
    loop {
        let accepted = async {
            // The slot is acquired after a connection is accepted: idle connections are closed only
            // if another connection really waits.
            let accepted = listener.accept().await;
            (accepted, slots.acquire().await)
        };
        let (accepted, slot) = select! {
            biased;
            () = &mut stopping => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection::serve(stream, app.clone(), limits, stop.clone(), slots.slot_wanted.subscribe(), slot));
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
        tracing::warn!("stopped {} s after the signal, although some requests were not finished", DRAIN.as_secs());
    }
}

/// The slots for connections.
struct ConnectionSlots {
    free: Arc<Semaphore>,
    /// The slots for connections that have sent their last answer and wait for the client to
    /// close.
    lingering: Arc<Semaphore>,
    /// Notifies all connections that another one waits for a slot.
    slot_wanted: watch::Sender<()>,
}

/// The slot of one connection.
struct ConnectionSlot {
    /// Always a permit, because the semaphore is never closed.
    open: Option<OwnedSemaphorePermit>,
    lingering: Arc<Semaphore>,
}

impl ConnectionSlot {
    /// Gives up the slot, and returns a slot for a connection that lingers. `None` if all of those
    /// are taken.
    fn into_lingering(self) -> Option<OwnedSemaphorePermit> {
        drop(self.open);
        self.lingering.try_acquire_owned().ok()
    }
}

impl ConnectionSlots {
    /// Waits for a slot. If all slots are taken, idle connections are closed at once, and the
    /// other connections after their current request.
    async fn acquire(&self) -> ConnectionSlot {
        let slot = |open| ConnectionSlot { open, lingering: Arc::clone(&self.lingering) };
        if let Ok(open) = Arc::clone(&self.free).try_acquire_owned() {
            return slot(Some(open));
        }
        tracing::warn!("all connections are taken (API_MAX_CONNECTIONS); the idle ones are closed");
        self.slot_wanted.send_replace(());
        slot(Arc::clone(&self.free).acquire_owned().await.ok())
    }
}
