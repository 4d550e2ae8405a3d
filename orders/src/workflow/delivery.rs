//! From payment to the customer's door.

use super::{
    Ended, OrderWorkflow, reason, refusal,
    step::{detached, take},
};
use crate::{
    activities::{Dispatch, End, NoticeKind, OrderActivities, Tracking},
    id::OrderId,
    status::OrderStatus,
};
use std::time::Duration;
use temporalio_workflow::{ActivityExecutionError, WorkflowContext, WorkflowTermination};

/// How long no carrier is asked when the worker does not say.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);
/// The least that a timer takes.
const AT_ONCE: Duration = Duration::from_millis(1);

impl OrderWorkflow {
    /// Ships the paid order and follows it to its end. Until a parcel is on its way the order can be cancelled; `too_late` says that this was tried,
    /// and one was.
    pub(super) async fn deliver(ctx: &WorkflowContext<Self>, order_id: OrderId, mut too_late: bool) -> Result<Ended, WorkflowTermination> {
        let scope = ctx.state(|s| s.scope.clone());
        let ship = if too_late { detached() } else { scope.clone() };
        let mut step = take(ctx, || OrderActivities::ship_order, Dispatch { order_id }, ship).await;
        loop {
            let (status, wait_ms) = step.as_ref().map_or((OrderStatus::Paid, None), |progress| (progress.status, progress.wait_ms));
            ctx.state_mut(|s| s.status = status);
            if status == OrderStatus::Delivered {
                return Ok((Self::tell(ctx, order_id, NoticeKind::Delivered).await?, None));
            }
            if status.is_final() {
                return Ok(Self::ended(ctx, order_id, status).await?);
            }
            let ended = match &step {
                // As before the payment: no attempt follows one that failed while it was being cancelled.
                Err(error)
                    if !matches!(error, ActivityExecutionError::Cancelled(_))
                        && (too_late || !scope.is_cancelled() || refusal(error).is_some()) =>
                {
                    Some(Self::compensate(ctx, order_id, End::Failed, reason(error)).await?)
                }
                _ if scope.is_cancelled() && status.may_be_cancelled() && !too_late => Some(Self::cancelled(ctx, order_id).await?),
                _ => None,
            };
            let pause = match ended {
                Some(ended) if ended.0.is_final() => return Ok(ended),
                // A parcel has moved on, further than anybody was told: it is looked for at once.
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
            step = take(ctx, || OrderActivities::track_order, tracking, detached()).await;
        }
    }
}
