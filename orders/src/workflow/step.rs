//! The one rule by which every step of an order runs: local first, then regular.

use std::time::Duration;
use temporalio_common::{
    ActivityDefinition,
    error::RetryState,
    protos::temporal::api::failure::v1::{ApplicationFailureInfo, failure::FailureInfo},
};
use temporalio_workflow::{
    ActivityCancellationType, ActivityExecutionError, ActivityOptions, LocalActivityOptions, RetryPolicy, WorkflowCancellationToken,
    WorkflowContext,
};

/// Limits and retries of the steps. Part of the worker's configuration; running orders may see them change, since they shape no command's kind.
#[derive(Clone, Debug)]
pub struct StepSettings {
    /// Limit of the first, local attempt.
    pub local_limit: Duration,
    /// Limit of each later, regular attempt.
    pub attempt_limit: Duration,
    /// A regular attempt that shows no sign of life for this long is given to another worker.
    pub heartbeat_limit: Duration,
    /// Wait before the second attempt.
    pub initial_interval: Duration,
    /// Factor by which the wait grows.
    pub backoff: f64,
    /// Longest wait between two attempts.
    pub maximum_interval: Duration,
}

/// A workflow that takes steps.
pub(super) trait Stepping {
    fn settings(&self) -> &StepSettings;
}

/// The scope of a step that runs whatever has been cancelled.
pub(super) fn detached() -> WorkflowCancellationToken {
    WorkflowCancellationToken::new()
}

/// Takes a step of a workflow: tries until it works, is refused, or its scope is cancelled. An accepted order is never dropped because a database is
/// away.
pub(super) async fn take<W, A>(
    ctx: &WorkflowContext<W>,
    activity: impl Fn() -> A,
    input: A::Input,
    scope: WorkflowCancellationToken,
) -> Result<A::Output, ActivityExecutionError>
where
    W: Stepping,
    A: ActivityDefinition,
    A::Input: Clone,
{
    let settings = ctx.state(|s| s.settings().clone());
    let local = LocalActivityOptions::builder()
        .start_to_close_timeout(settings.local_limit)
        .retry_policy(RetryPolicy::builder().maximum_attempts(1).build())
        .cancellation_token(scope.clone())
        .build();
    let error = match ctx.execute_local_activity(activity(), input.clone(), local).await {
        Ok(output) => return Ok(output),
        Err(error) => error,
    };
    if !is_retriable(&error) {
        return Err(error);
    }
    let policy = RetryPolicy::builder()
        .initial_interval(settings.initial_interval)
        .backoff_coefficient(settings.backoff)
        .maximum_interval(settings.maximum_interval)
        .build();
    let regular = ActivityOptions::with_start_to_close_timeout(settings.attempt_limit)
        .heartbeat_timeout(settings.heartbeat_limit)
        .cancellation_token(scope)
        // So that it is known whether the effect happened before it is undone.
        .cancellation_type(ActivityCancellationType::WaitCancellationCompleted)
        .retry_policy(policy)
        .build();
    // The wait that lies between two attempts of one activity belongs here too.
    let _ = ctx.timer(settings.initial_interval).await;
    ctx.execute_activity(activity(), input, regular).await
}

/// Whether another attempt can do better: everything but a refusal, a cancellation and an answer that cannot be read.
fn is_retriable(error: &ActivityExecutionError) -> bool {
    match error {
        ActivityExecutionError::Failed(failure) => {
            let refused = reported(error).is_some_and(|(failure, _)| failure.non_retryable);
            !refused && failure.retry_state() != RetryState::NonRetryableFailure
        }
        _ => false,
    }
}

/// What the activity itself reported, with its message. The SDK gives the failure of a local activity bare and that of a regular one wrapped.
pub(super) fn reported(error: &ActivityExecutionError) -> Option<(&ApplicationFailureInfo, &str)> {
    let mut failure = error.failure();
    while let Some(found) = failure {
        if let Some(FailureInfo::ApplicationFailureInfo(info)) = &found.failure_info {
            return Some((info, &found.message));
        }
        failure = found.cause.as_deref();
    }
    None
}
