//! The code that all attempts of activities share: the time limit, the heartbeats, the log line and
//! the metrics.

#[cfg(debug_assertions)]
pub(super) mod fail_point;

use super::{Activities, StepOutcome};
use crate::{db, ops::metrics};
use anyhow::anyhow;
use orders::{
    OrderId,
    activities::{Refusal, StepResult},
};
use platform::{error::chain, metrics::list, trace};
use std::time::{Duration, Instant};
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// The duration from which a local attempt counts as long. A local attempt occupies one of the
/// worker's workflow tasks, so only a limited number of long ones may continue
/// (`Activities::long_attempts`). The others end, and their steps continue as regular activities.
/// So a payment gateway that does not answer cannot delay orders that do not wait for it.
pub(super) const LONG_ATTEMPT: Duration = Duration::from_secs(1);

/// Why an attempt failed.
pub(super) enum Failure {
    /// A final refusal; the message is for the customer.
    Refused(Refusal, String),
    /// Another attempt may succeed.
    Temporary(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Temporary(error.into())
    }
}

impl Activities {
    /// Runs one attempt, and writes its log line and metrics. The attempt ends at 95 % of the time
    /// limit, a little before Temporal's timeout. So the attempt is over before the next one
    /// begins.
    pub(super) async fn attempt(
        &self,
        ctx: &ActivityContext,
        order_id: OrderId,
        work: impl Future<Output = Result<impl Into<StepOutcome>, Failure>>,
    ) -> Result<StepResult, ActivityError> {
        let (started, _begun) = (Instant::now(), self.busy.begin());
        let (activity, attempt, local) = (ctx.info().activity_type.as_str(), ctx.info().attempt, ctx.info().is_local);
        let limit = self.limit(ctx);
        // A step is first attempted as a local activity.
        trace::set(trace::ATTEMPT, i64::from(attempt) + i64::from(!local));
        trace::set(trace::ORDER_ID, order_id.to_string());
        let work = async {
            tokio::pin!(work);
            if local && LONG_ATTEMPT < limit {
                if let Ok(result) = tokio::time::timeout(LONG_ATTEMPT, &mut work).await {
                    return result;
                }
                let Ok(_permit) = self.long_attempts.try_acquire() else {
                    return Err(Failure::Temporary(anyhow!(
                        "no result within {} ms, and too many long attempts are running",
                        LONG_ATTEMPT.as_millis()
                    )));
                };
                return work.await;
            }
            work.await
        };
        let result = tokio::select! {
            result = tokio::time::timeout(limit.mul_f32(0.95), work) => {
                result.unwrap_or_else(|_| Err(Failure::Temporary(anyhow!("no answer within {} ms", limit.as_millis()))))
            }
            () = self.send_heartbeats(ctx), if !local => return Err(ActivityError::cancelled()),
        };
        let took = started.elapsed();
        let duration_ms = millis(took);
        match result {
            Ok(outcome) => {
                let StepOutcome { step, wait, amount_minor, ships } = outcome.into();
                #[cfg(debug_assertions)]
                fail_point::reached(activity);
                metrics::count_attempt(activity, "ok", took);
                metrics::count_transition(step);
                self.projector.report_change(order_id, step.status.is_final() || wait.is_some());
                self.events_wakeup.notify_one();
                let status = step.status;
                tracing::info!(%order_id, activity, attempt, local, %status, duration_ms, "{order_id}: {activity} → {status}");
                Ok(StepResult { status, took_ms: duration_ms, wait_ms: wait.map(millis), amount_minor, ships })
            }
            Err(Failure::Refused(refusal, reason)) => {
                metrics::count_attempt(activity, "refused", took);
                list::ORDER_REFUSALS.increment(&[refusal.as_str()]);
                let kind = refusal.as_str();
                trace::set(trace::REFUSAL, kind);
                tracing::info!(%order_id, activity, attempt, local, refusal = kind, reason, duration_ms, "{order_id}: {activity} refused: {reason}");
                let failure = ApplicationFailure::builder(anyhow!(reason)).type_name(kind.to_owned()).non_retryable(true).build();
                Err(ActivityError::application(failure))
            }
            Err(Failure::Temporary(error)) => {
                metrics::count_attempt(activity, "failed", took);
                db::drop_connections_if_read_only(&self.pool, &error);
                trace::set("error.type", crate::trace::code(&error));
                let error = format!("{error:#}");
                tracing::warn!(%order_id, activity, attempt, local, error, duration_ms, "{order_id}: {activity} failed, will be tried again: {error}");
                Err(ActivityError::application(ApplicationFailure::new(anyhow!(error))))
            }
        }
    }

    /// The time limit of the attempt, which is also Temporal's timeout.
    pub(super) fn limit(&self, ctx: &ActivityContext) -> Duration {
        if ctx.info().is_local { self.limits.local_limit } else { self.limits.attempt_limit }
    }

    /// Sends heartbeats until the attempt is cancelled.
    async fn send_heartbeats(&self, ctx: &ActivityContext) {
        loop {
            if let Err(error) = ctx.record_heartbeat(()).await {
                tracing::warn!(error = chain(&error), "a heartbeat could not be recorded");
            }
            let pause = (self.limits.heartbeat_limit / 3).max(Duration::from_millis(100));
            if tokio::time::timeout(pause, ctx.cancelled()).await.is_ok() {
                return;
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
