//! Releases of workers: a new version begins with a part of the orders.

use crate::{
    histories::{connect, settings},
    support::{Draft, FAST, OtherWorker, Shop, until, until_ok, with_own_stack},
};
use ::orders::{RestockWorkflow, workflow::OrderWorkflowType};
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use std::{thread, thread::JoinHandle, time::Duration};
use temporalio_common::worker::{VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion};
use temporalio_sdk::{Runtime, Worker, WorkerOptions, runtime::RuntimeOptions};
use tokio::{sync::oneshot, time::sleep};

const TIMEOUT: Duration = Duration::from_secs(30);
const SETTINGS: [(&str, &str); 3] = [("WORKER_VERSION", "old"), ("WORKER_TRIAL_S", "4"), ("WORKER_TRIAL_PERCENT", "50")];

/// What a command of the worker prints.
async fn worker(shop: &Shop, arguments: &[&str]) -> Result<String> {
    let output = shop.stack.run("worker", arguments).await?;
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{arguments:?}: {printed}");
    Ok(printed)
}

/// Waits until `worker versions` shows a version like this.
async fn version_is(shop: &Shop, expected: &str) -> Result<()> {
    until_ok(expected, TIMEOUT, async || {
        // Temporal asks a workflow for the versions, and refuses too many such questions.
        sleep(Duration::from_millis(500)).await;
        let versions = worker(shop, &["versions"]).await?;
        ensure!(versions.lines().any(|line| line.starts_with(expected)), "{versions}");
        Ok(())
    })
    .await
}

/// Places orders at once, and returns their ids.
async fn place(shop: &Shop, count: usize) -> Result<Vec<String>> {
    let product = shop.product(1_000, 100).await?;
    let drafts: Vec<Draft> = (0..count).map(|_| Draft::new(&shop.unique("CUST-release")).line(&product, 1)).collect();
    try_join_all(drafts.iter().map(|draft| shop.place(draft))).await
}

async fn all_complete(shop: &Shop, ids: &[String]) -> Result<()> {
    try_join_all(ids.iter().map(|id| shop.ends(id, "COMPLETED"))).await?;
    shop.audit_is_clean().await
}

/// A release of the worker that lacks the workflow of an order, so that each of its tasks fails.
struct BadRelease {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl BadRelease {
    async fn start(shop: &Shop) -> Result<Self> {
        let client = connect(shop).await?;
        let task_queue = shop.stack.settings().get("TEMPORAL_TASK_QUEUE")?.to_owned();
        let (stop, stopped) = oneshot::channel();
        // The future of an SDK's worker cannot be sent between threads.
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let version = WorkerDeploymentVersion::builder().deployment_name(task_queue.clone()).build_id("bad").build();
                let options = WorkerDeploymentOptions::new(version)
                    .use_worker_versioning(true)
                    .default_versioning_behavior(VersioningBehavior::AutoUpgrade)
                    .build();
                let options = WorkerOptions::new(task_queue)
                    .register_workflow_with_factory::<RestockWorkflow, _>(|| RestockWorkflow::new(settings(1_000)))?
                    .deployment_options(options)
                    .build();
                let runtime = Runtime::from_current_tokio(RuntimeOptions::builder().build().map_err(anyhow::Error::msg)?)?;
                let mut worker = Worker::new(&runtime, client, options).map_err(|error| anyhow::anyhow!("{error}"))?;
                tokio::select! {
                    result = worker.run() => result.map_err(|error| anyhow::anyhow!("{error}")),
                    _ = stopped => Ok(()),
                }
            })
        });
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for BadRelease {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the bad release has ended: {error:#}");
        }
    }
}

#[test]
fn a_release_whose_workflow_tasks_fail_is_withdrawn_and_no_order_fails() {
    with_own_stack(1, &[&SETTINGS[..2], &[("WORKER_TRIAL_S", "600")]].concat(), async |shop| {
        version_is(shop, "old: current").await?;
        all_complete(shop, &place(shop, 2).await?).await?;

        let bad = BadRelease::start(shop).await?;
        until_ok("a worker of the bad release polls", TIMEOUT, async || worker(shop, &["promote", "bad", "--percent", "50"]).await).await?;
        version_is(shop, "bad: on trial, 50 % of the new orders").await?;
        let ids = place(shop, 12).await?;
        version_is(shop, "bad: withdrawn: its workflow tasks fail").await?;
        version_is(shop, "old: current").await?;
        all_complete(shop, &ids).await?;

        let client = connect(shop).await?;
        let mut failed = 0;
        for id in &ids {
            let history = client.get_workflow_handle::<OrderWorkflowType>(id).fetch_history(Default::default()).to_json().await?;
            failed += usize::from(String::from_utf8_lossy(&history).contains("WorkflowTaskFailed"));
        }
        ensure!(failed > 0, "no order met the bad release");
        drop(bad);
        Ok(())
    });
}

#[test]
fn a_release_is_promoted_after_its_trial() {
    with_own_stack(1, &SETTINGS, async |shop| {
        version_is(shop, "old: current").await?;
        let new = OtherWorker::start(shop, None, &[("WORKER_VERSION", "new")]).await?;
        // The trial may end before `worker versions` shows it.
        let log = shop.folder()?.join("logs/other-worker.log");
        until("the new version is on trial", TIMEOUT, async || Ok(shop.log(&log).contains("this version is on trial").then_some(())))
            .await?;
        let during = place(shop, 12).await?;
        version_is(shop, "new: current").await?;
        version_is(shop, "old: replaced").await?;
        let after = place(shop, 4).await?;
        all_complete(shop, &[during, after].concat()).await?;

        // An operator goes back.
        until_ok("the old version is promoted", TIMEOUT, async || worker(shop, &["promote", "old"]).await).await?;
        version_is(shop, "old: current").await?;
        let refused = shop.stack.run("worker", &["withdraw", "old"]).await?;
        ensure!(!refused.status.success(), "the current version was withdrawn");
        drop(new);
        all_complete(shop, &place(shop, 4).await?).await
    });
}

#[test]
fn orders_of_workers_without_a_version_continue_with_the_first_version() {
    with_own_stack(1, &FAST, async |shop| {
        let (scarce, product) = (shop.product(1_000, 1).await?, shop.product(1_000, 1).await?);
        let waiting = shop.place(&Draft::new("CUST-release").line(&scarce, 2).line(&product, 1)).await?;
        shop.reaches(&waiting, &["ACTION_REQUIRED"]).await?;
        let _first = OtherWorker::start(shop, None, &SETTINGS).await?;
        version_is(shop, "old: current").await?;
        shop.stack.workers[0].kill().await?;
        shop.cancel(&waiting).await?;
        shop.ends(&waiting, "CANCELLED").await?;
        all_complete(shop, &place(shop, 2).await?).await
    });
}
