use clap::Parser;
use std::process::ExitCode;
use worker::{
    audit, config, migrate,
    notification::resend,
    on_demand,
    ops::{finding, healthcheck, maintenance, release, resume},
    report, run,
    stock::restock,
};

/// Each order needs many small allocations that several threads use. With the system's allocator,
/// they would take a tenth of the worker's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// OrderFlow's worker.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Executes activities until SIGTERM, SIGINT or SIGHUP. Then it finishes what it has begun.
    Run(Box<config::Run>),
    /// Brings the database's schema up to date. It may run repeatedly and several times at once.
    Migrate(config::Migrate),
    /// The worker as a function of AWS Lambda, which costs nothing while there is nothing to do.
    #[command(subcommand)]
    OnDemand(config::OnDemand),
    /// Prints all that is known of an order from Postgres, the payment gateway, the read model and
    /// Temporal: what happened to it, what waits now, and what the audit finds. It prints nothing
    /// personal. A store that cannot be read is named, and the others are still printed.
    Order(Box<config::Order>),
    /// Compares Postgres, the read model, the payment ledger and Temporal, and prints every broken
    /// invariant. The status is 1 if there is any.
    Audit(Box<config::Audit>),
    /// Brings the read model up to date with the facts in Postgres: projects again the orders and
    /// products that it lacks or has in another version. The status is 0 unless this fails.
    Project(Box<config::Project>),
    /// Starts the workflows of open orders again if they have no running workflow. The orders
    /// continue from the facts in Postgres.
    Resume(Box<config::Resume>),
    /// Adds units to a product's stock.
    Restock(config::Restock),
    /// Sends messages to customers again.
    #[command(subcommand)]
    Notify(config::Notify),
    /// Makes new orders wait, or lets them continue, and prints the state of the switch.
    Maintenance(config::Maintenance),
    /// Prints the versions of the workers, and which of them receive new orders.
    Versions(config::Versions),
    /// Sends new orders to a version of the workers.
    Promote(config::Promote),
    /// Sends no more orders to a version on trial.
    Withdraw(config::Withdraw),
    /// Removes a finding (loop FINDINGS of the audit) after somebody has looked into it.
    Dismiss(config::Dismiss),
    /// Checks the health of the worker on this machine. The status is 0 if it is healthy.
    Healthcheck(config::Healthcheck),
}

/// The runtime has one thread. An order passes from task to task so often that passing it between
/// threads would cost more than it gains. To process more orders, run more workers.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match platform::config::read() {
        Command::Run(settings) => run::run(*settings).await.map(|()| ExitCode::SUCCESS),
        Command::Migrate(settings) => migrate::run(settings).await.map(|()| ExitCode::SUCCESS),
        Command::OnDemand(config::OnDemand::Run(settings)) => on_demand::run(*settings).await.map(|()| ExitCode::SUCCESS),
        Command::OnDemand(config::OnDemand::Migrate(settings)) => on_demand::migrate(*settings).await.map(|()| ExitCode::SUCCESS),
        Command::Order(settings) => report::run(*settings).await.map(|()| ExitCode::SUCCESS),
        Command::Audit(settings) => audit::run(*settings).await,
        Command::Project(settings) => audit::project(*settings).await.map(|()| ExitCode::SUCCESS),
        Command::Resume(settings) => resume::run(*settings).await.map(|()| ExitCode::SUCCESS),
        Command::Restock(settings) => restock::run(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Notify(config::Notify::Resend(settings)) => resend::run(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Maintenance(settings) => maintenance::run(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Versions(settings) => release::versions(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Promote(settings) => release::promote(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Withdraw(settings) => release::withdraw(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Dismiss(settings) => finding::dismiss(settings).await.map(|()| ExitCode::SUCCESS),
        Command::Healthcheck(settings) => Ok(healthcheck::run(settings).await),
    };
    result.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        ExitCode::FAILURE
    })
}
