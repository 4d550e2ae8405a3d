//! Local mode's substitute for API Gateway, Lambda and CloudFront: one HTTP server for the API and
//! the page. The consumer of the intake queue runs in the same process.

use clap::Parser;
use functions::{
    intake::queue_poller::{Consumer, QueuePoller},
    page::{self, Page},
    server,
    state::{AppSettings, AppState},
};
use platform::{background::Background, config, log, stop, trace};
use std::{process::ExitCode, time::Duration};
use tokio::{select, sync::oneshot};

/// The worker uses the same allocator. Its main.rs gives the reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves OrderFlow's API and web page.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    server: server::Settings,
    #[command(flatten)]
    page: page::Settings,
    #[command(flatten)]
    state: AppSettings,
    #[command(flatten)]
    log: log::Settings,
    #[command(flatten)]
    trace: trace::Settings,
}

/// The runtime has one thread. The worker's main.rs gives the reason.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli: Cli = config::read();
    log::init(&cli.log);
    let served = serve(cli).await;
    trace::shut_down().await;
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How much longer than [`server::DRAIN`] the process may take to stop. In this time, the consumer
/// finishes the messages that it has received.
const CONSUMER_DRAIN: Duration = Duration::from_secs(1);

async fn serve(cli: Cli) -> anyhow::Result<()> {
    trace::init(&cli.trace, "orderflow-api")?;
    let stop = stop::requested()?;
    stop::enforce(stop.clone(), server::DRAIN + CONSUMER_DRAIN);
    let page = Page::new(&cli.page, &cli.state.identity, &cli.state.temporal.temporal_namespace)?;
    let state = AppState { consumer: Consumer::local(), ..AppState::new(cli.state).await? };
    let poller = QueuePoller::new(state.workflows.clone(), state.intake_queue.clone(), state.consumer.clone()).await;
    let (finished, has_finished) = oneshot::channel();
    let mut background = Background::default();
    let stop_requested = stop.clone();
    background.spawn("queue consumer", async move {
        poller.run(stop_requested.clone()).await;
        if *stop_requested.borrow() {
            let _ = finished.send(());
            std::future::pending::<()>().await;
        }
    });
    select! {
        served = server::run(&cli.server, page, state, stop) => served?,
        ended = background.ended() => return Err(ended.into()),
    }
    // The consumer finishes the messages that it has received.
    let _ = has_finished.await;
    Ok(())
}
