//! The API and the page on one HTTP server, and the intake queue's consumer beside it: local mode's stand-in for API Gateway, Lambda and CloudFront.

use clap::Parser;
use functions::{
    page::{self, Page},
    parts::{Accepting, AcceptingSettings},
    queue_poller::QueuePoller,
    server,
};
use platform::{config, log, stop};
use std::process::ExitCode;

/// As in the worker.
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
    parts: AcceptingSettings,
    #[command(flatten)]
    log: log::Settings,
}

/// On one thread, as the worker.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli: Cli = config::read();
    log::init(&cli.log);
    match serve(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(cli: Cli) -> anyhow::Result<()> {
    let stop = stop::requested()?;
    let page = Page::new(&cli.page, &cli.parts.identity, &cli.parts.temporal.temporal_namespace)?;
    let parts = Accepting::new(cli.parts).await?;
    let poller = QueuePoller::new(parts.workflows.clone(), parts.intake_queue.clone()).await;
    let polling = tokio::spawn(poller.run(stop.clone()));
    server::run(&cli.server, page, parts, stop).await?;
    Ok(polling.await?)
}
