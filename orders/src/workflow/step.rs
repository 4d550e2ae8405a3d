//! The rule by which every step of a workflow runs: first as a local activity, then as a regular
//! one.

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

/// The timeouts and retries of the steps, from the worker's configuration. They may change while
/// orders are running, because they do not change the kind of any command.
#[derive(Clone, Debug)]
pub struct StepSettings {
    /// Timeout of the first attempt, which is a local activity.
    pub local_limit: Duration,
    /// Timeout of each later attempt, which is a regular activity.
    pub attempt_limit: Duration,
    /// If a regular attempt sends no heartbeat for this long, another worker gets the activity.
    pub heartbeat_limit: Duration,
    /// Wait before the second attempt.
    pub initial_interval: Duration,
    /// Factor by which the wait grows.
    pub backoff: f64,
    /// Longest wait between two attempts.
    pub maximum_interval: Duration,
}

/// A workflow that runs steps.
pub(super) trait Stepping {
    fn settings(&self) -> &StepSettings;
}

/// A new scope that nothing cancels, for steps that must run in any case.
pub(super) fn detached() -> WorkflowCancellationToken {
    WorkflowCancellationToken::new()
}

/// Runs a step of a workflow. It retries until the step succeeds, is refused, or its scope is
/// cancelled. The number of attempts is not limited: an accepted order must not be dropped because
/// a database is unavailable.
pub(super) async fn run_step<W, A>(
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
        // Waits for the end of a cancelled attempt. It must be known whether the attempt had an
        // effect before that effect is undone.
        .cancellation_type(ActivityCancellationType::WaitCancellationCompleted)
        .retry_policy(policy)
        .build();
    // Temporal waits between two attempts of one activity. Here the attempts belong to two
    // activities, so a timer makes this wait.
    let _ = ctx.timer(settings.initial_interval).await;
    let result = ctx.execute_activity(activity(), input, regular).await;
    readable(ctx, result).await
}

/// Returns a result that this release can read. A result that it cannot read comes from a worker of
/// a newer release. In that case only the workflow task fails, not the workflow. Temporal retries
/// the task with growing pauses until a worker of the newer release takes it.
async fn readable<W, T>(ctx: &WorkflowContext<W>, result: Result<T, ActivityExecutionError>) -> Result<T, ActivityExecutionError> {
    let Some(unreadable) = result.as_ref().err().and_then(unreadable) else { return result };
    ctx.force_task_fail(format!("an activity's result is of a newer release: {unreadable}"));
    match future::pending::<Infallible>().await {}
}

/// What this release cannot read in an activity's failure; `None` if it can read everything.
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

/// Whether another attempt may succeed. This is true for every error except refusals and
/// cancellations.
fn is_retriable(error: &ActivityExecutionError) -> bool {
    match error {
        ActivityExecutionError::Failed(failure) => {
            let refused = reported(error).is_some_and(|(failure, _)| failure.non_retryable);
            !refused && failure.retry_state() != RetryState::NonRetryableFailure
        }
        _ => false,
    }
}

/// The failure that the activity itself reported, with its message. The SDK returns the failure of
/// a local activity directly, and wraps the failure of a regular one.
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
