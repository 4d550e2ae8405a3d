//! The one rule by which every step of an order runs: local first, then regular.

use crate::activities::Refusal;
use std::{convert::Infallible, future, time::Duration};
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
    let result = ctx.execute_local_activity(activity(), input.clone(), local).await;
    let error = match readable(ctx, result).await {
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
    let result = ctx.execute_activity(activity(), input, regular).await;
    readable(ctx, result).await
}

/// Passes on a result that this release can read. Any other comes from a worker of a newer release: the workflow task fails, and Temporal gives it to a
/// worker again, with growing pauses, until one of that release takes it. The workflow itself does not fail.
async fn readable<W, T>(ctx: &WorkflowContext<W>, result: Result<T, ActivityExecutionError>) -> Result<T, ActivityExecutionError> {
    let Some(unreadable) = result.as_ref().err().and_then(unreadable) else { return result };
    ctx.force_task_fail(format!("an activity's result is of a newer release: {unreadable}"));
    match future::pending::<Infallible>().await {}
}

/// What cannot be read of an activity's failure; `None` when all can.
fn unreadable(error: &ActivityExecutionError) -> Option<String> {
    match error {
        ActivityExecutionError::Serialization(error) => Some(error.to_string()),
        ActivityExecutionError::Failed(_) => {
            let (failure, _) = reported(error)?;
            let is_unknown = failure.non_retryable && Refusal::named(&failure.r#type).is_none();
            is_unknown.then(|| format!("failure type {:?}", failure.r#type))
        }
        _ => None,
    }
}

/// Whether another attempt can do better: everything but a refusal and a cancellation.
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
