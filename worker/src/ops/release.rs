//! Safe releases of workers, with Temporal's Worker Deployments. A deployment has the name of the
//! task queue, and a version for each release (`WORKER_VERSION`).
//!
//! A new version first receives a part of the new orders. The workers of the current version watch
//! it. They withdraw it if its orders do not proceed, and promote it after a trial. An order is not
//! bound to a version: when a version is withdrawn or replaced, other workers continue its orders.

mod decision;
mod deployment;

use crate::{config, config::Trial};
use anyhow::{Context, bail};
use decision::{Decision, decide};
pub(crate) use deployment::options;
use deployment::{Deployment, State};
use platform::temporal::{Connector, Timeouts};
use std::time::{Duration, Instant, SystemTime};
use temporalio_client::Client;
use tokio::{sync::watch, time::sleep};

/// The pause between two looks at the deployment.
const PERIOD: Duration = Duration::from_secs(5);
/// For how long a worker that has withdrawn another version says so in its metrics. An alarm reads
/// them each minute.
const ANNOUNCED: Duration = Duration::from_secs(180);

/// Puts new versions on trial. It runs in each worker that has a version.
pub(crate) struct Releaser {
    /// The connection on which this worker receives tasks; `None` while there is none.
    pub(crate) temporal: watch::Receiver<Option<Client>>,
    pub(crate) task_queue: String,
    pub(crate) version: String,
    pub(crate) trial: Trial,
    /// Whether this version is withdrawn, or this worker has just withdrawn another one, whose
    /// workers may have ended.
    pub(crate) is_withdrawn: watch::Sender<bool>,
}

impl Releaser {
    /// Looks at the deployment for ever, and does what is due.
    pub(crate) async fn run(self) {
        let (mut last_error, mut withdrew) = (String::new(), None);
        loop {
            sleep(PERIOD.min(self.trial.duration / 4)).await;
            let Some(client) = self.temporal.borrow().clone() else { continue };
            match self.step(&Deployment::new(client, &self.task_queue), &mut withdrew).await {
                Ok(()) => last_error.clear(),
                Err(error) => {
                    let error = format!("{error:#}");
                    if last_error != error {
                        tracing::warn!(error, "the versions of the workers cannot be managed now");
                        last_error = error;
                    }
                }
            }
        }
    }

    /// `withdrew` is when this worker has withdrawn another version.
    async fn step(&self, deployment: &Deployment, withdrew: &mut Option<Instant>) -> anyhow::Result<()> {
        // It does not exist before the first poll of a worker with a version.
        let Some(state) = deployment.read(Some(&self.version)).await? else { return Ok(()) };
        let own = state.version(&self.version);
        let is_announced = withdrew.is_some_and(|at| at.elapsed() < ANNOUNCED);
        self.is_withdrawn.send_replace(is_announced || own.is_some_and(|own| own.withdrawn.is_some()));
        let decision = decide(&self.version, &state, &self.trial, SystemTime::now());
        match &decision {
            Decision::Wait => return Ok(()),
            Decision::TryOut => deployment.try_out(&state, &self.version, self.trial.percent).await?,
            Decision::Promote(version) => deployment.promote(&state, version).await?,
            Decision::Withdraw(version, reason) => {
                deployment.withdraw(&state, version, reason).await?;
                *withdrew = Some(Instant::now());
            }
        }
        tracing::info!(version = self.version, "{decision}");
        Ok(())
    }
}

/// `worker versions`: prints the versions of the workers, the newest first.
///
/// # Errors
/// Fails if Temporal does not answer.
pub async fn versions(settings: config::Versions) -> anyhow::Result<()> {
    let Some(state) = connect(settings).await?.read(None).await? else {
        println!("no worker has a version (WORKER_VERSION)");
        return Ok(());
    };
    for version in &state.versions {
        let polls = if version.is_polled { "" } else { ", no worker polls" };
        println!("{}: {}{polls}", version.name, state.describe(version));
    }
    Ok(())
}

/// `worker promote`: new orders go to a version, all of them or a part.
///
/// # Errors
/// Fails if Temporal does not answer, or if no worker of this version polls.
pub async fn promote(settings: config::Promote) -> anyhow::Result<()> {
    let deployment = connect(settings.versions).await?;
    let state = deployment.read(None).await?.context("no worker has a version (WORKER_VERSION)")?;
    let version = state.version(&settings.version).with_context(|| format!("there is no version {}", settings.version))?;
    if !version.is_polled {
        bail!("no worker of version {} polls", settings.version);
    }
    match settings.percent {
        100 => deployment.promote(&state, &settings.version).await?,
        percent => deployment.try_out(&state, &settings.version, percent).await?,
    }
    println!("{}: {} % of the new orders", settings.version, settings.percent);
    Ok(())
}

/// `worker withdraw`: a version on trial receives no orders any more, and is not tried out again.
///
/// # Errors
/// Fails if Temporal does not answer, or if the version is not on trial.
pub async fn withdraw(settings: config::Withdraw) -> anyhow::Result<()> {
    let deployment = connect(settings.versions).await?;
    let state = deployment.read(None).await?.context("no worker has a version (WORKER_VERSION)")?;
    if state.current.as_ref() == Some(&settings.version) {
        bail!("{} is the current version; to replace it, promote another one", settings.version);
    }
    deployment.withdraw(&state, &settings.version, "by an operator").await?;
    println!("{}: withdrawn", settings.version);
    Ok(())
}

async fn connect(settings: config::Versions) -> anyhow::Result<Deployment> {
    platform::log::init(&settings.log);
    let task_queue = settings.temporal.temporal_task_queue.clone();
    let timeouts = Timeouts { connect: Duration::from_secs(5), call: Duration::from_secs(10) };
    Ok(Deployment::new(Connector::new(settings.temporal, "versions", timeouts).connect().await?, &task_queue))
}

impl State {
    fn describe(&self, version: &deployment::Version) -> String {
        match (&version.withdrawn, &self.trial) {
            _ if self.current.as_ref() == Some(&version.name) => "current".to_owned(),
            (_, Some(trial)) if trial.version == version.name => format!("on trial, {} % of the new orders", trial.percent),
            (Some(reason), _) => format!("withdrawn: {reason}"),
            _ if version.was_active => "replaced".to_owned(),
            _ => "not tried out yet".to_owned(),
        }
    }
}
