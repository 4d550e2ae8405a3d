//! The faults. Each is injected, lasts for a while, and is then repaired.

mod clock;
mod disk;
mod gateway;
mod postgres;
mod process;
mod versions;

use super::{context::FaultContext, queue::Queue, record::Conditions};
use crate::support::until;
use anyhow::{Result, ensure};
pub(super) use gateway::GatewayFault;
use std::time::Duration;

/// How long a fault may wait for the situation that it needs.
const TARGET_TIMEOUT: Duration = Duration::from_secs(90);
/// A message body that is not an order.
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
    /// `kill -9`, then a start.
    Killed(Server),
    /// An orderly stop, then a start.
    Restarted(Server),
    /// SIGSTOP, and SIGCONT after a while: connections stay open, but nothing answers.
    Frozen(Server, Duration),
    /// The worker ends after the effect of each of these activities and before it reports the
    /// result.
    DiesAfterEffect(&'static [&'static str]),
    /// A worker of another version starts. It works beside the first worker, then alone, for this
    /// long each. Then it is killed.
    TwoVersions(Duration),
    /// Orders are queued while Temporal is stopped, and some messages arrive three times.
    Duplicates,
    /// A message that is not an order.
    Poison,
    /// Postgres has no free connection for the worker.
    ConnectionsExhausted(Duration),
    /// Postgres refuses writes, as after a failover to the wrong server.
    ReadOnly(Duration),
    /// Postgres runs all transactions as SERIALIZABLE, so it aborts conflicting transactions
    /// (40001).
    Serializable(Duration),
    /// The disk of Postgres is full.
    DiskFull(Duration),
    /// Clocks step around the end of the reservations.
    ClockSteps(Duration),
    /// The payment gateway is slow, or fails.
    Gateway(GatewayFault, Duration),
}

impl Fault {
    pub(super) fn name(&self) -> String {
        match self {
            // Unlike AWS, the emulator keeps its data in memory.
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
            Self::Gateway(fault, duration) => format!("payment gateway {} for {} s", fault.name(), duration.as_secs()),
        }
    }

    /// How many shares of the orders this fault needs.
    pub(super) fn shares(&self) -> usize {
        match self {
            Self::DiesAfterEffect(activities) => activities.len(),
            _ => 1,
        }
    }

    /// The time over which the fault's orders arrive. Zero means as fast as possible, so that
    /// transactions conflict.
    pub(super) fn orders_arrive_over(&self) -> Duration {
        match self {
            Self::Frozen(_, duration)
            | Self::ConnectionsExhausted(duration)
            | Self::ReadOnly(duration)
            | Self::DiskFull(duration)
            | Self::ClockSteps(duration)
            | Self::Gateway(_, duration) => *duration,
            Self::TwoVersions(duration) => 2 * *duration,
            // This is longer than Temporal takes to stop. Only orders that arrive after the stop
            // are queued.
            Self::Duplicates => Duration::from_secs(10),
            _ => Duration::ZERO,
        }
    }

    /// Whether the fault is injected only while no order is open. A killed emulator loses queued
    /// orders and idempotency keys, which AWS would not lose. So at that time nothing may need its
    /// data except the read model, which can be rebuilt from Postgres.
    pub(super) fn needs_idle_system(&self) -> bool {
        matches!(self, Self::Killed(Server::Emulator))
    }

    /// Whether the fault needs the preload library.
    pub(super) fn needs_preload(&self) -> bool {
        matches!(self, Self::DiskFull(_) | Self::ClockSteps(_))
    }

    pub(super) fn conditions(&self) -> Conditions {
        if matches!(self, Self::ClockSteps(_)) { Conditions::ClockSteps } else { Conditions::Faulty }
    }

    /// The messages that the fault leaves in the dead-letter queue.
    pub(super) fn dead_letters(&self) -> &'static [&'static str] {
        if matches!(self, Self::Poison) { &[POISON] } else { &[] }
    }

    /// Does what an operator would do after the fault.
    pub(super) async fn repair(&self, context: &FaultContext<'_>) -> Result<()> {
        if matches!(self, Self::Killed(Server::Emulator)) {
            let repaired = context.shop.stack.run("worker", &["audit", "--repair"]).await?;
            ensure!(repaired.status.success(), "the read model cannot be made anew: {}", String::from_utf8_lossy(&repaired.stdout));
            context.subscriber.subscribe().await?;
        }
        Ok(())
    }

    /// Injects the fault, and returns when it is over.
    pub(super) async fn inject(&self, context: &FaultContext<'_>) -> Result<()> {
        let stack = &context.shop.stack;
        match self {
            Self::Killed(server) => process::kill(context, *server).await,
            Self::Restarted(server) => process::restart(context, *server).await,
            Self::Frozen(server, duration) => {
                process::freeze(context, *server, *duration).await;
                Ok(())
            }
            Self::DiesAfterEffect(activities) => process::kill_after_effect(context, activities).await,
            Self::TwoVersions(duration) => versions::deploy(context, *duration).await,
            Self::Duplicates => {
                stack.temporal.stop().await?;
                let copied = until("orders are queued and copied", TARGET_TIMEOUT, async || copy_messages(&context.queue).await).await?;
                ensure!(copied > 0);
                stack.temporal.start().await
            }
            Self::Poison => context.queue.send(POISON).await,
            Self::ConnectionsExhausted(duration) => postgres::exhaust_connections(context, *duration).await,
            Self::DiskFull(duration) => disk::fill(context, *duration).await,
            Self::ClockSteps(duration) => clock::step_clocks(context, *duration).await,
            Self::Gateway(fault, duration) => gateway::inject(context, *fault, *duration).await,
            Self::ReadOnly(duration) => postgres::refuse_writes(context, *duration).await,
            Self::Serializable(duration) => {
                let refused = || context.shop.logs().matches("could not serialize access").count();
                let before = refused();
                postgres::with_database_setting(context, "default_transaction_isolation", "serializable", *duration).await?;
                println!("transactions refused with 40001: {}", refused() - before);
                Ok(())
            }
        }
    }
}

/// Copies messages as soon as there are some; `None` until then.
async fn copy_messages(queue: &Queue) -> Result<Option<usize>> {
    Ok(Some(queue.duplicate().await?).filter(|copied| *copied > 0))
}
