//! Waiting for a decision: of the customer, if only a part of the order is in stock, or of the
//! shop, if the order is in review.

use super::{Halt, OrderWorkflow, step::run_step};
use crate::{
    activities::{Amendment, NoticeKind, OrderActivities, ReviewDecision, StepResult},
    id::OrderId,
    search,
    status::OrderStatus,
};
use std::time::Duration;
use temporalio_workflow::WorkflowContext;

/// The reasons that the customer reads if the order is cancelled because a decision did not come in
/// time.
pub(super) const NOT_AMENDED: &str = "a part of it is out of stock, and you did not say in time whether to send the rest";
pub(super) const NOT_REVIEWED: &str = "it could not be checked in time";

impl OrderWorkflow {
    /// Notifies the customer, waits for the decision as long as the worker has specified, and
    /// applies it.
    pub(super) async fn decide(ctx: &WorkflowContext<Self>, order_id: OrderId, asked: StepResult) -> Result<StepResult, Halt> {
        let in_review = asked.status == OrderStatus::InReview;
        Self::publish(ctx, [search::STATUS.value_set(asked.status.to_string())]);
        let notice = if in_review { NoticeKind::InReview } else { NoticeKind::ActionRequired };
        Self::send_notification(ctx, order_id, notice).await.map_err(|error| Self::refused(ctx, &error))?;

        let scope = ctx.state(|s| s.scope.clone());
        let timeout = Duration::from_millis(asked.wait_ms.unwrap_or_default());
        let answered = move |s: &Self| if in_review { s.review.is_some() } else { s.amended };
        Self::wait(ctx, scope.clone(), timeout, move |s| s.is_long || answered(s)).await;
        if scope.is_cancelled() {
            return Err(Halt::Cancelled);
        }
        if !ctx.state(answered) {
            if ctx.state(|s| s.is_long) {
                return Err(Halt::Long);
            }
            return Err(Halt::Unanswered(if in_review { NOT_REVIEWED } else { NOT_AMENDED }));
        }
        let decided = match ctx.state(|s| s.review.clone()) {
            Some(review) if in_review => {
                let decision = ReviewDecision { order_id, approved: review.approved, by: review.by, note: review.note };
                run_step(ctx, || OrderActivities::review_order, decision, scope).await
            }
            _ => run_step(ctx, || OrderActivities::amend_order, Amendment { order_id }, scope).await,
        };
        // If there is another offer, the customer must answer again. A review is requested only
        // once.
        ctx.state_mut(|s| s.amended = false);
        let progress = Self::advance(ctx, decided).await?;
        // While the order is in progress, it has no status in the search attributes.
        Self::publish(ctx, [search::STATUS.value_unset()]);
        Ok(progress)
    }
}
