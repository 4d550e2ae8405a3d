//! The faults: each is inflicted, lasts for a while, and is mended.

mod clock;
mod disk;
mod gateway;
mod postgres;
mod process;
mod versions;

use super::{queue::Queue, record::Weather, site::Site};
use crate::support::until;
use anyhow::{Result, ensure};
pub(super) use gateway::Illness;
use std::time::Duration;

/// How long a fault may wait for what it is to strike.
const OPPORTUNITY: Duration = Duration::from_secs(90);
/// What no order looks like.
const POISON: &str = "this is no order";

#[derive(Clone, Copy, Debug)]
pub(super) enum Server {
    Worker,
    Api,
    Temporal,
    Postgres,
    Emulator,
}

impl Server {
    fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Api => "api",
            Self::Temporal => "Temporal",
            Self::Postgres => "Postgres",
            Self::Emulator => "AWS",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// `kill -9`, and started again.
    Killed(Server),
    /// Stopped in an orderly way, and started again.
    Restarted(Server),
    /// SIGSTOP, and SIGCONT after a while: connections stay open, and nothing answers.
    Frozen(Server, Duration),
    /// The worker ends between the effect of each of these activities and its answer.
    DiesAfterEffect(&'static [&'static str]),
    /// Another version of the worker comes, works beside the first and alone, for so long each, and is killed.
    TwoVersions(Duration),
    /// Orders are queued while Temporal is away, and each message of some comes three times.
    Duplicates,
    /// A message that is no order.
    Poison,
    /// Postgres has no connection left for the worker.
    ConnectionsExhausted(Duration),
    /// Postgres takes no writes, as after a fail-over to the wrong side.
    ReadOnly(Duration),
    /// Postgres holds all transactions to SERIALIZABLE, so that those that meet are refused (40001).
    Serializable(Duration),
    /// Postgres' disk is full.
    DiskFull(Duration),
    /// Clocks step around the end of the time for which stock is held.
    ClockSteps(Duration),
    /// The payment gateway is slow, or fails.
    Gateway(Illness, Duration),
}

impl Fault {
    pub(super) fn name(&self) -> String {
        match self {
            // The emulator keeps its data in memory, unlike AWS.
            Self::Killed(Server::Emulator) => "AWS emulator killed, read model lost".to_owned(),
            Self::Killed(server) => format!("{} killed", server.name()),
            Self::Restarted(server) => format!("{} restarted", server.name()),
            Self::Frozen(server, duration) => format!("{} frozen for {} s", server.name(), duration.as_secs()),
            Self::DiesAfterEffect([activity]) => format!("worker dies after the effect of {activity}"),
            Self::DiesAfterEffect(activities) => format!("worker dies after the effect of each of {} activities", activities.len()),
            Self::TwoVersions(_) => versions::name().to_owned(),
            Self::Duplicates => "Temporal away, messages of SQS duplicated".to_owned(),
            Self::Poison => "poison message".to_owned(),
            Self::ConnectionsExhausted(duration) => format!("Postgres without connections for {} s", duration.as_secs()),
            Self::ReadOnly(duration) => format!("Postgres read-only for {} s", duration.as_secs()),
            Self::Serializable(duration) => format!("serialization failures for {} s", duration.as_secs()),
            Self::DiskFull(duration) => format!("disk of Postgres full for {} s", duration.as_secs()),
            Self::ClockSteps(duration) => format!("clocks step for {} s, payments slow", duration.as_secs()),
            Self::Gateway(illness, duration) => format!("payment gateway {} for {} s", illness.name(), duration.as_secs()),
        }
    }

    /// How many shares of the orders it needs to find its opportunities.
    pub(super) fn shares(&self) -> usize {
        match self {
            Self::DiesAfterEffect(activities) => activities.len(),
            _ => 1,
        }
    }

    /// Over how long a time its orders come. Transactions that are to meet come as fast as they can.
    pub(super) fn orders_come_over(&self) -> Duration {
        match self {
            Self::Frozen(_, duration)
            | Self::ConnectionsExhausted(duration)
            | Self::ReadOnly(duration)
            | Self::DiskFull(duration)
            | Self::ClockSteps(duration)
            | Self::Gateway(_, duration) => *duration,
            Self::TwoVersions(duration) => 2 * *duration,
            // Longer than Temporal takes to stop: only who comes then is queued.
            Self::Duplicates => Duration::from_secs(10),
            _ => Duration::ZERO,
        }
    }

    /// Whether it strikes while no order is on its way. What the emulator forgets when it is killed, AWS would not forget: queued orders and
    /// idempotency keys. So nothing may depend on it then but the read model, which Postgres can give back.
    pub(super) fn strikes_at_rest(&self) -> bool {
        matches!(self, Self::Killed(Server::Emulator))
    }

    /// Whether it needs programs that see another world.
    pub(super) fn deceives(&self) -> bool {
        matches!(self, Self::DiskFull(_) | Self::ClockSteps(_))
    }

    pub(super) fn weather(&self) -> Weather {
        if matches!(self, Self::ClockSteps(_)) { Weather::ClockSteps } else { Weather::Stormy }
    }

    /// What it leaves in the dead-letter queue.
    pub(super) fn dead_letters(&self) -> &'static [&'static str] {
        if matches!(self, Self::Poison) { &[POISON] } else { &[] }
    }

    /// What an operator does after it.
    pub(super) async fn repair(&self, site: &Site<'_>) -> Result<()> {
        if matches!(self, Self::Killed(Server::Emulator)) {
            let repaired = site.shop.stack.run("worker", &["audit", "--repair"]).await?;
            ensure!(repaired.status.success(), "the read model cannot be made anew: {}", String::from_utf8_lossy(&repaired.stdout));
            site.listener.subscribe().await?;
        }
        Ok(())
    }

    /// Inflicts it, and returns when it is mended.
    pub(super) async fn strike(&self, site: &Site<'_>) -> Result<()> {
        let stack = &site.shop.stack;
        match self {
            Self::Killed(server) => process::kill(site, *server).await,
            Self::Restarted(server) => process::restart(site, *server).await,
            Self::Frozen(server, duration) => {
                process::freeze(site, *server, *duration).await;
                Ok(())
            }
            Self::DiesAfterEffect(activities) => process::dies_after_effect(site, activities).await,
            Self::TwoVersions(duration) => versions::deploy(site, *duration).await,
            Self::Duplicates => {
                stack.temporal.stop().await?;
                let copied = until("orders are queued and copied", OPPORTUNITY, async || copies(&site.queue).await).await?;
                ensure!(copied > 0);
                stack.temporal.start().await
            }
            Self::Poison => site.queue.send(POISON).await,
            Self::ConnectionsExhausted(duration) => postgres::exhaust_connections(site, *duration).await,
            Self::DiskFull(duration) => disk::fill(site, *duration).await,
            Self::ClockSteps(duration) => clock::steps(site, *duration).await,
            Self::Gateway(illness, duration) => gateway::falls_ill(site, *illness, *duration).await,
            Self::ReadOnly(duration) => postgres::refuse_writes(site, *duration).await,
            Self::Serializable(duration) => {
                let refused = || site.shop.logs().matches("could not serialize access").count();
                let before = refused();
                postgres::with_default(site, "default_transaction_isolation", "serializable", *duration).await?;
                println!("transactions refused with 40001: {}", refused() - before);
                Ok(())
            }
        }
    }
}

/// Copies messages as soon as there are some.
async fn copies(queue: &Queue) -> Result<Option<usize>> {
    Ok(Some(queue.duplicate().await?).filter(|copied| *copied > 0))
}
