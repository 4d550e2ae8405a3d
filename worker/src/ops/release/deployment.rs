//! A Worker Deployment of Temporal: its versions, and which of them receive new orders.

use anyhow::{Context, anyhow};
use futures::TryStreamExt;
use orders::workflow::OrderWorkflowType;
use std::time::{Duration, SystemTime};
use temporalio_client::{Client, NamespacedClient, WorkflowDescribeOptions, WorkflowListOptions, errors::WorkflowInteractionError, tonic};
use temporalio_common::{
    protos::temporal::api::{
        common::v1::Payload,
        deployment::v1::{RoutingConfig, WorkerDeploymentVersion as VersionName},
        enums::v1::TaskQueueType,
        taskqueue::v1::TaskQueue,
        workflowservice::v1::{
            DescribeTaskQueueRequest, DescribeWorkerDeploymentRequest, DescribeWorkerDeploymentVersionRequest,
            DescribeWorkflowExecutionResponse, SetWorkerDeploymentCurrentVersionRequest, SetWorkerDeploymentRampingVersionRequest,
            UpdateWorkerDeploymentVersionMetadataRequest,
        },
    },
    worker::{VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion, build_id_from_current_exe},
};
use tonic::Request;

/// The maximum age of the last poll of a running worker, as in [`platform::temporal::Backlog`].
const POLL: Duration = Duration::from_secs(75);
/// The attempt from which a task counts as failing. The second attempt may be due to a worker that
/// was stopped.
const FAILING_FROM: i32 = 3;
/// The number of orders whose activities must fail. One may meet the beginning of an outage.
const FAILING_ORDERS: usize = 2;
/// How many workflows are looked at, the newest first. At 10 %, three of them began on the version
/// on trial; the next look is at others.
const MAX_DESCRIBED: usize = 30;
/// The age from which a workflow is looked at: Temporal has tried a failing task three times by then.
const MIN_AGE: Duration = Duration::from_secs(15);
/// The key of a version's metadata that holds the reason of its withdrawal.
const WITHDRAWN: &str = "withdrawn";

/// How a worker takes part in versioning. Without a version, it takes all tasks that no version
/// claims.
pub(crate) fn options(task_queue: &str, version: Option<&str>) -> WorkerDeploymentOptions {
    let Some(version) = version else { return WorkerDeploymentOptions::from_build_id(build_id_from_current_exe().to_owned()) };
    let name = WorkerDeploymentVersion::builder().deployment_name(task_queue).build_id(version).build();
    // An order may continue on any version: the changes of a workflow are held to its histories.
    WorkerDeploymentOptions::new(name).use_worker_versioning(true).default_versioning_behavior(VersioningBehavior::AutoUpgrade).build()
}

/// The state of a deployment.
pub(super) struct State {
    /// The version that receives all orders but those of the trial.
    pub(super) current: Option<String>,
    pub(super) trial: Option<OnTrial>,
    /// The newest first.
    pub(super) versions: Vec<Version>,
    /// Temporal refuses a change that was decided on another state.
    pub(super) token: Vec<u8>,
}

/// The trial of a version.
pub(super) struct OnTrial {
    pub(super) version: String,
    /// The part of the new orders that it receives.
    pub(super) percent: u8,
    pub(super) since: SystemTime,
    /// Why it must be withdrawn: the orders that it has received do not proceed.
    pub(super) problem: Option<String>,
}

pub(super) struct Version {
    pub(super) name: String,
    /// Whether a worker of this version polls for workflow tasks.
    pub(super) is_polled: bool,
    /// Whether it has ever received orders.
    pub(super) was_active: bool,
    /// The reason for which it was withdrawn, if it was read.
    pub(super) withdrawn: Option<String>,
}

impl State {
    pub(super) fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name == name)
    }
}

/// The deployment of a task queue's workers.
pub(super) struct Deployment {
    client: Client,
    name: String,
}

impl Deployment {
    pub(super) fn new(client: Client, task_queue: &str) -> Self {
        Self { client, name: task_queue.to_owned() }
    }

    /// The state; `None` while no worker with a version has polled.
    ///
    /// Each reason of a withdrawal is a request. So with `own`, only those of this version and of
    /// the version on trial are read.
    ///
    /// # Errors
    /// Fails if Temporal does not answer.
    pub(super) async fn read(&self, own: Option<&str>) -> anyhow::Result<Option<State>> {
        let request = DescribeWorkerDeploymentRequest { namespace: self.client.namespace(), deployment_name: self.name.clone() };
        let described = match self.client.connection().workflow_service().describe_worker_deployment(Request::new(request)).await {
            Ok(described) => described.into_inner(),
            Err(status) if status.code() == tonic::Code::NotFound => return Ok(None),
            Err(status) => return Err(anyhow!(status).context("Temporal does not describe the deployment")),
        };
        let info = described.worker_deployment_info.unwrap_or_default();
        let routing = info.routing_config.unwrap_or_default();
        let polled = self.polled_versions().await?;
        let mut versions = Vec::new();
        let mut summaries = info.version_summaries;
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.create_time.map(|time| (time.seconds, time.nanos))));
        for summary in summaries {
            let Some(VersionName { build_id, .. }) = summary.deployment_version else { continue };
            let is_on_trial = routing.ramping_deployment_version.as_ref().is_some_and(|version| version.build_id == build_id);
            let is_needed = is_on_trial || own.is_none_or(|own| own == build_id);
            versions.push(Version {
                is_polled: polled.contains(&build_id),
                was_active: summary.first_activation_time.is_some(),
                withdrawn: if is_needed { self.reason_of_withdrawal(&build_id).await? } else { None },
                name: build_id,
            });
        }
        Ok(Some(State {
            current: routing.current_deployment_version.clone().map(|version| version.build_id),
            trial: self.trial(routing).await?,
            versions,
            token: described.conflict_token,
        }))
    }

    async fn trial(&self, routing: RoutingConfig) -> anyhow::Result<Option<OnTrial>> {
        let Some(version) = routing.ramping_deployment_version else { return Ok(None) };
        let since = routing.ramping_version_changed_time.and_then(|time| SystemTime::try_from(time).ok()).unwrap_or(SystemTime::UNIX_EPOCH);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 100")]
        let percent = routing.ramping_version_percentage as u8;
        let problem = problem(&version.build_id, &self.orders_since(since).await?);
        Ok(Some(OnTrial { version: version.build_id, percent, since, problem }))
    }

    /// The versions whose workers poll for workflow tasks.
    async fn polled_versions(&self) -> anyhow::Result<Vec<String>> {
        let request = DescribeTaskQueueRequest {
            namespace: self.client.namespace(),
            task_queue: Some(TaskQueue { name: self.name.clone(), ..Default::default() }),
            task_queue_type: TaskQueueType::Workflow.into(),
            ..Default::default()
        };
        let described = self.client.connection().workflow_service().describe_task_queue(Request::new(request)).await?.into_inner();
        let now = SystemTime::now();
        let is_recent = |time: SystemTime| now.duration_since(time).is_ok_and(|ago| ago < POLL) || time >= now;
        let recent = described
            .pollers
            .into_iter()
            .filter(|poller| poller.last_access_time.and_then(|time| SystemTime::try_from(time).ok()).is_some_and(is_recent));
        Ok(recent.filter_map(|poller| poller.deployment_options).map(|options| options.build_id).collect())
    }

    /// Some of the running orders that began after `since`, with their ids.
    async fn orders_since(&self, since: SystemTime) -> anyhow::Result<Vec<(String, DescribeWorkflowExecutionResponse)>> {
        let rfc3339 = |time: SystemTime| time::OffsetDateTime::from(time).format(&time::format_description::well_known::Rfc3339);
        let (since, until) = (rfc3339(since)?, rfc3339(SystemTime::now() - MIN_AGE)?);
        let query =
            format!("ExecutionStatus = 'Running' AND TaskQueue = '{}' AND StartTime >= '{since}' AND StartTime <= '{until}'", self.name);
        let options = WorkflowListOptions::builder().limit(MAX_DESCRIBED).build();
        let ids: Vec<String> = self.client.list_workflows(query, options).map_ok(|workflow| workflow.id().to_owned()).try_collect().await?;
        let mut orders = Vec::new();
        for id in ids {
            let handle = self.client.get_workflow_handle::<OrderWorkflowType>(&id);
            match handle.describe(WorkflowDescribeOptions::default()).await {
                Ok(described) => orders.push((id, described.raw_description)),
                Err(WorkflowInteractionError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(orders)
    }

    async fn reason_of_withdrawal(&self, version: &str) -> anyhow::Result<Option<String>> {
        let request = DescribeWorkerDeploymentVersionRequest {
            namespace: self.client.namespace(),
            deployment_version: Some(self.version_name(version)),
            ..Default::default()
        };
        let service = self.client.connection().workflow_service();
        let described = service.clone().describe_worker_deployment_version(Request::new(request)).await?.into_inner();
        let metadata = described.worker_deployment_version_info.and_then(|info| info.metadata).unwrap_or_default();
        Ok(metadata.entries.get(WITHDRAWN).map(|reason| String::from_utf8_lossy(&reason.data).into_owned()))
    }

    /// A version receives a part of the new orders.
    ///
    /// # Errors
    /// Fails if Temporal does not answer, or if the deployment has changed meanwhile.
    pub(super) async fn try_out(&self, state: &State, version: &str, percent: u8) -> anyhow::Result<()> {
        self.clear_withdrawal(state, version).await?;
        self.ramp(state, version, percent).await
    }

    /// A version receives all orders.
    ///
    /// # Errors
    /// Fails if Temporal does not answer, or if the deployment has changed meanwhile.
    pub(super) async fn promote(&self, state: &State, version: &str) -> anyhow::Result<()> {
        self.clear_withdrawal(state, version).await?;
        let request = SetWorkerDeploymentCurrentVersionRequest {
            namespace: self.client.namespace(),
            deployment_name: self.name.clone(),
            build_id: version.to_owned(),
            conflict_token: state.token.clone(),
            identity: self.client.identity(),
            // The sticky queues of workers that have ended would be expected for ever.
            ignore_missing_task_queues: true,
            ..Default::default()
        };
        let promoted = self.client.connection().workflow_service().set_worker_deployment_current_version(Request::new(request)).await;
        promoted.with_context(|| format!("version {version} cannot be promoted"))?;
        Ok(())
    }

    /// A version receives no orders any more, and is not tried out again. The reason is kept with
    /// the version.
    ///
    /// # Errors
    /// Fails if Temporal does not answer, or if the deployment has changed meanwhile.
    pub(super) async fn withdraw(&self, state: &State, version: &str, reason: &str) -> anyhow::Result<()> {
        // First the reason: after the end of the trial, its absence would permit another trial.
        let reason = Payload { data: reason.as_bytes().to_vec(), ..Default::default() };
        self.update_metadata(UpdateWorkerDeploymentVersionMetadataRequest {
            deployment_version: Some(self.version_name(version)),
            upsert_entries: [(WITHDRAWN.to_owned(), reason)].into(),
            ..Default::default()
        })
        .await?;
        if state.trial.as_ref().is_some_and(|trial| trial.version == version) {
            self.ramp(state, "", 0).await?;
        }
        Ok(())
    }

    async fn ramp(&self, state: &State, version: &str, percent: u8) -> anyhow::Result<()> {
        let request = SetWorkerDeploymentRampingVersionRequest {
            namespace: self.client.namespace(),
            deployment_name: self.name.clone(),
            build_id: version.to_owned(),
            percentage: f32::from(percent),
            conflict_token: state.token.clone(),
            identity: self.client.identity(),
            ignore_missing_task_queues: true,
            ..Default::default()
        };
        let ramped = self.client.connection().workflow_service().set_worker_deployment_ramping_version(Request::new(request)).await;
        ramped.context("Temporal does not change the version on trial")?;
        Ok(())
    }

    async fn clear_withdrawal(&self, state: &State, version: &str) -> anyhow::Result<()> {
        if state.version(version).is_none_or(|version| version.withdrawn.is_none()) {
            return Ok(());
        }
        self.update_metadata(UpdateWorkerDeploymentVersionMetadataRequest {
            deployment_version: Some(self.version_name(version)),
            remove_entries: vec![WITHDRAWN.to_owned()],
            ..Default::default()
        })
        .await
    }

    async fn update_metadata(&self, request: UpdateWorkerDeploymentVersionMetadataRequest) -> anyhow::Result<()> {
        let request = UpdateWorkerDeploymentVersionMetadataRequest {
            namespace: self.client.namespace(),
            identity: self.client.identity(),
            ..request
        };
        let updated = self.client.connection().workflow_service().update_worker_deployment_version_metadata(Request::new(request)).await;
        updated.context("Temporal does not keep why a version was withdrawn")?;
        Ok(())
    }

    fn version_name(&self, version: &str) -> VersionName {
        VersionName { deployment_name: self.name.clone(), build_id: version.to_owned() }
    }
}

/// Why a version must be withdrawn, from orders that began during its trial.
///
/// Orders of the current version say nothing about it: the new version may be the one that corrects
/// them. If activities of theirs fail, too, the cause is probably something that both versions
/// need, such as a payment gateway that does not answer.
fn problem(version: &str, orders: &[(String, DescribeWorkflowExecutionResponse)]) -> Option<String> {
    let fails = |order: &&(String, DescribeWorkflowExecutionResponse)| {
        order.1.pending_activities.iter().any(|activity| activity.attempt >= FAILING_FROM && activity.last_failure.is_some())
    };
    let (on_trial, others): (Vec<_>, Vec<_>) = orders.iter().partition(|(_, order)| runs_on(order) == Some(version));
    let stuck = on_trial.iter().find(|(_, order)| order.pending_workflow_task.as_ref().is_some_and(|task| task.attempt >= FAILING_FROM));
    if let Some((id, _)) = stuck {
        return Some(format!("its workflow tasks fail, such as those of {id}"));
    }
    let mut failing = on_trial.iter().copied().filter(fails);
    let (id, _) = failing.nth(FAILING_ORDERS - 1)?;
    if others.iter().any(fails) { None } else { Some(format!("activities of its orders fail, such as those of {id}")) }
}

/// The version that has the next task of a workflow.
fn runs_on(order: &DescribeWorkflowExecutionResponse) -> Option<&str> {
    let versioning = order.workflow_execution_info.as_ref()?.versioning_info.as_ref()?;
    let next = versioning.version_transition.as_ref().and_then(|transition| transition.deployment_version.as_ref());
    next.or(versioning.deployment_version.as_ref()).map(|version| version.build_id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use temporalio_common::protos::temporal::api::{
        failure::v1::Failure,
        workflow::v1::{
            DeploymentVersionTransition, PendingActivityInfo, PendingWorkflowTaskInfo, WorkflowExecutionInfo,
            WorkflowExecutionVersioningInfo,
        },
    };

    /// An order whose last task was completed by `on`, and whose next task goes to `next`.
    fn order(on: Option<&str>, next: Option<&str>, task: i32, activity: i32) -> (String, DescribeWorkflowExecutionResponse) {
        let version = |build_id: &str| VersionName { build_id: build_id.to_owned(), deployment_name: "orders".to_owned() };
        let transition = next.map(|next| DeploymentVersionTransition { deployment_version: Some(version(next)), ..Default::default() });
        let versioning =
            WorkflowExecutionVersioningInfo { deployment_version: on.map(version), version_transition: transition, ..Default::default() };
        let failure = (activity > 1).then(Failure::default);
        let described = DescribeWorkflowExecutionResponse {
            workflow_execution_info: Some(WorkflowExecutionInfo { versioning_info: Some(versioning), ..Default::default() }),
            pending_workflow_task: (task > 0).then(|| PendingWorkflowTaskInfo { attempt: task, ..Default::default() }),
            pending_activities: vec![PendingActivityInfo { attempt: activity, last_failure: failure, ..Default::default() }],
            ..Default::default()
        };
        ("ord_1".to_owned(), described)
    }

    #[test]
    fn a_version_whose_workflow_tasks_fail_has_a_problem() {
        let expected = Some("its workflow tasks fail, such as those of ord_1".to_owned());
        for (on, next) in [(None, Some("new")), (Some("new"), None), (Some("old"), Some("new"))] {
            assert_eq!(problem("new", &[order(on, next, 3, 1)]), expected);
            assert_eq!(problem("new", &[order(on, next, 2, 1)]), None, "a worker may have been stopped");
        }
    }

    #[test]
    fn the_orders_of_the_current_version_are_no_problem_of_the_new_one() {
        for (on, next) in [(None, Some("old")), (Some("old"), None), (Some("new"), Some("old")), (None, None)] {
            assert_eq!(problem("new", &[order(on, next, 9, 9), order(on, next, 9, 9)]), None);
        }
    }

    #[test]
    fn activities_that_fail_in_one_version_only_are_its_problem() {
        let (new, old) = (order(Some("new"), None, 0, 3), order(Some("old"), None, 0, 3));
        let expected = Some("activities of its orders fail, such as those of ord_1".to_owned());
        assert_eq!(problem("new", &[new.clone(), new.clone()]), expected);
        assert_eq!(problem("new", std::slice::from_ref(&new)), None, "it may be the order's own");
        assert_eq!(problem("new", &[new.clone(), new, old]), None, "something fails that both need");
    }
}
