//! The steps after the payment: shipping, tracking and delivery.

use super::{
    Ended, OrderWorkflow, reason, refusal, refusal_kind,
    step::{detached, run_step},
};
use crate::{
    activities::{Dispatch, End, NoticeKind, OrderActivities, Tracking},
    id::OrderId,
    status::OrderStatus,
};
use std::time::Duration;
use temporalio_workflow::{ActivityExecutionError, WorkflowContext, WorkflowTermination};

/// The wait between two `TrackOrder` calls if the worker does not specify one.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);
/// The shortest duration of a timer.
const AT_ONCE: Duration = Duration::from_millis(1);

impl OrderWorkflow {
    /// Ships the paid order and tracks it until it ends. The order can be cancelled until a parcel
    /// is on its way. `too_late` means that a cancellation was attempted when a parcel was already
    /// on its way.
    pub(super) async fn deliver(ctx: &WorkflowContext<Self>, order_id: OrderId, mut too_late: bool) -> Result<Ended, WorkflowTermination> {
        let scope = ctx.state(|s| s.scope.clone());
        let ship = if too_late { detached() } else { scope.clone() };
        let mut step = run_step(ctx, || OrderActivities::ship_order, Dispatch { order_id }, ship).await;
        loop {
            let (status, wait_ms) = step.as_ref().map_or((OrderStatus::Paid, None), |progress| (progress.status, progress.wait_ms));
            ctx.state_mut(|s| s.status = status);
            if status == OrderStatus::Delivered {
                return Ok((Self::send_notification(ctx, order_id, NoticeKind::Delivered).await?, None));
            }
            if status.is_final() {
                return Ok(Self::ended(ctx, order_id, status).await?);
            }
            let ended = match &step {
                // As before the payment: an attempt that fails during a cancellation is not
                // repeated.
                Err(error)
                    if !matches!(error, ActivityExecutionError::Cancelled(_))
                        && (too_late || !scope.is_cancelled() || refusal(error).is_some()) =>
                {
                    ctx.state_mut(|s| s.failure = refusal_kind(error));
                    Some(Self::compensate(ctx, order_id, End::Failed, reason(error)).await?)
                }
                _ if scope.is_cancelled() && status.may_be_cancelled() && !too_late => Some(Self::cancelled(ctx, order_id).await?),
                _ => None,
            };
            let pause = match ended {
                Some(ended) if ended.0.is_final() => return Ok(ended),
                // A parcel was already on its way, although no tracking event has reported it. Ask
                // the carrier at once.
                Some(_) => {
                    too_late = true;
                    AT_ONCE
                }
                None => wait_ms.map_or(LOOK_AGAIN, Duration::from_millis),
            };
            let watched = if too_late || !status.may_be_cancelled() { detached() } else { scope.clone() };
            if Self::is_long(ctx) {
                return Err(Self::continue_as_new(ctx, order_id));
            }
            Self::wait(ctx, watched, pause, |s| s.is_long || !s.scans.is_empty()).await;
            if ctx.state(|s| s.is_long) {
                return Err(Self::continue_as_new(ctx, order_id));
            }
            let (scans, cancel_requested) = ctx.state_mut(|s| (std::mem::take(&mut s.scans), s.cancel.is_some()));
            let tracking = Tracking { order_id, scans, cancel_requested };
            step = run_step(ctx, || OrderActivities::track_order, tracking, detached()).await;
        }
    }
}
