//! The program `bench`. It measures the cost of an order, the throughput, and the start time of
//! functions and of the whole system.
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

/// Measures OrderFlow on servers that it starts itself.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Throughput and cost of orders, compared with another system or with a smaller number of
    /// orders.
    Orders(orders::Options),
    /// Time from the start of a Lambda function to its first answer, and its memory.
    Functions(functions::Options),
    /// Start time of all servers, without data and with data.
    Start,
}

/// The program uses one thread, so that the load takes little CPU from the measured system.
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
    // An interrupted run returns from here as usual, so that its servers are stopped.
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        result = work => result,
        _ = interrupted.recv() => bail!("interrupted"),
        _ = terminated.recv() => bail!("terminated"),
    }
}
