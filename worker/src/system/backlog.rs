//! What waits in the task queue for a worker.

use anyhow::Context;
use std::time::Duration;
use temporalio_client::{Client, NamespacedClient, tonic};
use temporalio_common::protos::temporal::api::{
    enums::v1::TaskQueueType, taskqueue::v1::TaskQueue, workflowservice::v1::DescribeTaskQueueRequest,
};

/// Tasks of all kinds together. Temporal leaves out what waits for the one worker that has its workflow in memory; that is seconds at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) tasks: u64,
    /// Since when the oldest of them has been waiting.
    pub(crate) age: Duration,
}

impl Backlog {
    /// # Errors
    /// When Temporal does not answer.
    pub(super) async fn read(client: &Client, task_queue: &str) -> anyhow::Result<Self> {
        let mut backlog = Self::default();
        for kind in [TaskQueueType::Workflow, TaskQueueType::Activity] {
            let request = DescribeTaskQueueRequest {
                namespace: client.namespace(),
                task_queue: Some(TaskQueue { name: task_queue.to_owned(), ..Default::default() }),
                task_queue_type: kind.into(),
                report_stats: true,
                ..Default::default()
            };
            let described = client.connection().workflow_service().describe_task_queue(tonic::Request::new(request)).await;
            let stats = described.context("Temporal does not tell the backlog")?.into_inner().stats.unwrap_or_default();
            let age = stats.approximate_backlog_age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
            backlog.tasks += u64::try_from(stats.approximate_backlog_count).unwrap_or_default();
            backlog.age = backlog.age.max(age);
        }
        Ok(backlog)
    }
}
