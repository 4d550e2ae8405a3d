//! `worker audit`: holds Postgres, the read model, the payment ledger and Temporal against each other and prints every broken invariant.
//!
//! It only reads, in snapshots, so it may run on a live system. What differs only because it is on its way (a projection, an order just
//! accepted) is looked at again, for [`SETTLE`], before it counts.

mod books;
mod processes;
mod readers;

use crate::{config, db, projection::Projector, resume};
use platform::{
    read_model::ReadModel,
    temporal::{Connector, Patience},
};
use std::{fmt, process::ExitCode, time::Duration};

/// How long something may be on its way before it counts as lost.
const SETTLE: Duration = Duration::from_secs(10);

/// A broken invariant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The invariant, in a few words that do not change: `stock`, `charge`, …
    pub(crate) invariant: &'static str,
    /// The order or product.
    pub(crate) subject: String,
    /// What was found.
    pub(crate) detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.invariant, self.subject, self.detail)
    }
}

/// Projects again what the read model lacks, or has in another version than Postgres, and says what it did. For the start of a system whose read
/// model may have lost something; it compares versions alone, and finds nothing else.
///
/// # Errors
/// When Postgres or DynamoDB does not answer. Rows that cannot be projected are no error: `worker run` goes on trying, and the audit names them.
pub async fn project(settings: config::Project) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let pool = db::pool(&settings.postgres).await?;
    let aws = platform::aws::config(platform::aws::Patience::BACKGROUND).await;
    let read_model = ReadModel::new(aws_sdk_dynamodb::Client::new(&aws), settings.read_model);
    let readers = readers::Check { pool: &pool, read_model: &read_model, stuck_after: Duration::ZERO };
    let lagging = readers.version_differences().await?;
    println!("{}", readers.repair(&Projector::new(pool.clone(), read_model.clone()), &lagging).await?);
    Ok(())
}

/// Prints each broken invariant as a line of its own on standard output, then a count. Status 1 when there is any; after `--repair`, when any is
/// left.
///
/// # Errors
/// When one of the parts cannot be read: nothing is known then.
pub async fn run(settings: config::Audit) -> anyhow::Result<ExitCode> {
    platform::log::init(&settings.log);
    let pool = if settings.repair { db::pool(&settings.postgres).await? } else { db::reading_pool(&settings.postgres).await? };
    let aws = platform::aws::config(platform::aws::Patience::BACKGROUND).await;
    let read_model = ReadModel::new(aws_sdk_dynamodb::Client::new(&aws), settings.read_model.clone());
    let patience = Patience { connect: Duration::from_secs(5), call: Duration::from_secs(10) };
    let task_queue = settings.temporal.temporal_task_queue.clone();
    let temporal = Connector::new(settings.temporal, "audit", patience).connect().await?;
    if settings.repair {
        let lost = resume::all_lost(&pool, &temporal, &read_model, settings.stuck.stuck_after, false).await?;
        for id in &lost {
            resume::start(&temporal, &task_queue, *id).await?;
        }
        println!("resumed {} orders", lost.len());
        if !lost.is_empty() {
            tokio::time::sleep(SETTLE).await;
        }
    }

    let told = settings.events.events_topic_arn.is_some_and(|arn| !arn.is_empty());
    let mut findings = books::check(&pool, told, settings.stuck.stuck_after).await?;
    findings.extend(processes::check(&pool, &temporal, &settings.stuck).await?);
    let readers = readers::Check { pool: &pool, read_model: &read_model, stuck_after: settings.stuck.stuck_after };
    let lagging = readers.settled_differences().await?;
    if settings.repair {
        let projector = Projector::new(pool.clone(), read_model.clone());
        println!("{}", readers.repair(&projector, &lagging).await?);
        findings.extend(readers::findings(&readers.settled_differences().await?));
    } else {
        findings.extend(readers::findings(&lagging));
    }
    for finding in &findings {
        println!("{finding}");
    }
    println!("{} broken invariants", findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
