//! The backlog of a task queue: the tasks that wait for a worker.

use std::time::{Duration, SystemTime};
use temporalio_client::{Client, NamespacedClient, tonic};
use temporalio_common::protos::temporal::api::{
    enums::v1::TaskQueueType, taskqueue::v1::TaskQueue, workflowservice::v1::DescribeTaskQueueRequest,
};

/// The maximum age of the last poll of a running worker. A poll lasts up to one minute; the rest
/// allows for differences between clocks.
const POLL: Duration = Duration::from_secs(75);

/// The workflow tasks and activity tasks that wait in a task queue. Temporal does not count the
/// tasks that only one worker can take, because that worker has the workflow in its cache. Such a
/// task waits for a few seconds at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub tasks: u64,
    /// The age of the oldest task.
    pub age: Duration,
    /// Whether workers poll for both workflow tasks and activity tasks.
    pub is_polled: bool,
}

impl Backlog {
    /// Reads the backlog of a task queue.
    ///
    /// # Errors
    /// Fails if Temporal does not answer.
    pub async fn read(client: &Client, task_queue: &str) -> Result<Self, tonic::Status> {
        let (mut backlog, now) = (Self { is_polled: true, ..Self::default() }, SystemTime::now());
        for kind in [TaskQueueType::Workflow, TaskQueueType::Activity] {
            let request = DescribeTaskQueueRequest {
                namespace: client.namespace(),
                task_queue: Some(TaskQueue { name: task_queue.to_owned(), ..Default::default() }),
                task_queue_type: kind.into(),
                report_stats: true,
                ..Default::default()
            };
            let described = client.connection().workflow_service().describe_task_queue(tonic::Request::new(request)).await?.into_inner();
            let stats = described.stats.unwrap_or_default();
            let age = stats.approximate_backlog_age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
            backlog.tasks += u64::try_from(stats.approximate_backlog_count).unwrap_or_default();
            backlog.age = backlog.age.max(age);
            let polls = described.pollers.into_iter().filter_map(|poller| SystemTime::try_from(poller.last_access_time?).ok());
            // By Temporal's clock, a poll may have begun after `now`. Such a poll is recent, too.
            backlog.is_polled &= polls.into_iter().any(|began| now.duration_since(began).is_ok_and(|ago| ago < POLL) || began >= now);
        }
        Ok(backlog)
    }
}
