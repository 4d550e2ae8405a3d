//! `worker audit`: compares Postgres, the read model, the payment ledger and Temporal, and prints
//! every broken invariant.
//!
//! Without `--repair` the audit only reads, in snapshots, so it may run on a live system. Some
//! differences exist only for a moment, such as those of a pending projection or of an order that
//! was just accepted. So a difference counts only if the audit still finds it after
//! [`SETTLE_TIME`].

mod facts;
pub(crate) mod order;
mod processes;
mod read_model;

use crate::{config, db, ops::resume, projection::Projector};
use platform::{
    read_model::ReadModel,
    temporal::{Connector, Timeouts},
};
use serde::Serialize;
use std::{fmt, process::ExitCode, time::Duration};

/// How long a change may take to reach all stores. A difference that lasts longer counts.
const SETTLE_TIME: Duration = Duration::from_secs(10);

/// A broken invariant.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BrokenInvariant {
    /// The invariant as a short text that does not change, such as `stock is never below zero`.
    pub(crate) invariant: &'static str,
    /// The id of the order or product.
    pub(crate) subject: String,
    /// What was found.
    pub(crate) detail: String,
}

impl fmt::Display for BrokenInvariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.invariant, self.subject, self.detail)
    }
}

/// `worker project`: projects again each entry that the read model lacks or has in another version
/// than Postgres. Prints what it did. It is meant for the start of a system whose read model may
/// have lost data. It compares only the versions of orders, so it does not find other differences
/// of orders.
///
/// # Errors
/// Fails if Postgres or DynamoDB does not answer. Rows that cannot be projected are no error:
/// `worker run` retries them, and the audit lists them.
pub async fn project(settings: config::Project) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let pool = db::pool(&settings.postgres).await?;
    let aws = platform::aws::config(platform::aws::Timeouts::BACKGROUND).await;
    let read_model = ReadModel::new(aws_sdk_dynamodb::Client::new(&aws), settings.read_model);
    let check = read_model::ReadModelCheck { pool: &pool, read_model: &read_model, stuck_after: Duration::ZERO };
    let differences = check.find_version_differences().await?;
    println!("{}", check.repair(&Projector::new(pool.clone(), read_model.clone()), &differences).await?);
    Ok(())
}

/// `worker audit`: prints one line for each broken invariant on standard output, and then their
/// number. The exit status is 1 if there is any broken invariant; with `--repair`, if any is left
/// after the repair.
///
/// # Errors
/// Fails if one of the stores cannot be read. The audit then prints no result.
pub async fn run(settings: config::Audit) -> anyhow::Result<ExitCode> {
    platform::log::init(&settings.log);
    let pool = if settings.repair { db::pool(&settings.postgres).await? } else { db::reading_pool(&settings.postgres).await? };
    let aws = platform::aws::config(platform::aws::Timeouts::BACKGROUND).await;
    let read_model = ReadModel::new(aws_sdk_dynamodb::Client::new(&aws), settings.read_model.clone());
    let timeouts = Timeouts { connect: Duration::from_secs(5), call: Duration::from_secs(10) };
    let task_queue = settings.temporal.temporal_task_queue.clone();
    let temporal = Connector::new(settings.temporal, "audit", timeouts).connect().await?;
    if settings.repair {
        let lost = resume::find_all_lost(&pool, &temporal, &read_model, settings.stuck.stuck_after, false).await?;
        for id in &lost {
            resume::restart_workflow(&temporal, &task_queue, *id).await?;
        }
        println!("resumed {} orders", lost.len());
        if !lost.is_empty() {
            tokio::time::sleep(SETTLE_TIME).await;
        }
    }

    let publishes_events = settings.events.events_topic_arn.is_some_and(|arn| !arn.is_empty());
    let mut broken = facts::check(&pool, publishes_events, settings.stuck.stuck_after).await?;
    broken.extend(processes::check(&pool, &temporal, &settings.stuck).await?);
    let check = read_model::ReadModelCheck { pool: &pool, read_model: &read_model, stuck_after: settings.stuck.stuck_after };
    let differences = check.find_settled_differences().await?;
    if settings.repair {
        let projector = Projector::new(pool.clone(), read_model.clone());
        println!("{}", check.repair(&projector, &differences).await?);
        broken.extend(read_model::broken_invariants(&check.find_settled_differences().await?));
    } else {
        broken.extend(read_model::broken_invariants(&differences));
    }
    for invariant in &broken {
        println!("{invariant}");
    }
    println!("{} broken invariants", broken.len());
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
