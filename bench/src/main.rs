//! `bench`: what an order costs, how fast orders are processed, and how fast a function and the whole system start.
#![expect(clippy::float_arithmetic, reason = "the figures are measurements, not money")]

mod functions;
mod load;
mod orders;
mod ours;
mod peer;
mod report;
mod start;
mod subject;
mod usage;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Measures OrderFlow on servers of its own.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Throughput and cost of orders, beside another system or beside a smaller number of orders.
    Orders(orders::Options),
    /// How soon a Lambda function answers after it was started, and its memory.
    Functions(functions::Options),
    /// How long all servers take to start, fresh and again.
    Start,
}

/// One thread, so that the load takes little from what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse().task).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(task: Task) -> Result<()> {
    let work = async {
        match task {
            Task::Orders(options) => orders::run(options).await,
            Task::Functions(options) => functions::run(options).await,
            Task::Start => start::run().await,
        }
    };
    // An interrupted run ends through here, so that the servers end with it.
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        result = work => result,
        _ = interrupted.recv() => bail!("interrupted"),
        _ = terminated.recv() => bail!("terminated"),
    }
}
