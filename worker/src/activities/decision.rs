//! The steps that wait for a decision of the customer or the shop, or continue after one.

use super::{Activities, StepOutcome, attempt::Failure, to_failure};
use crate::{db, order, order::TransitionResult, order::risk, stock};
use orders::{
    OrderStatus,
    activities::{Amendment, Refusal, ReservationRequest, ReviewDecision},
};
use std::time::Duration;

/// The shortest time that a workflow waits.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

impl Activities {
    /// Reserves the order's stock. `waited` is how long this step has been tried.
    pub(super) async fn reserve(&self, request: &ReservationRequest, waited: Duration) -> Result<StepOutcome, Failure> {
        let mut client = db::connection(&self.pool).await?;
        let step = stock::reserve(&mut client, request, waited, &self.reservation_policy).await.map_err(to_failure)?;
        let mut outcome = self.with_decision_wait(step);
        if step.moved_after.is_none() {
            // An earlier attempt moved the order, but its result was lost. The order may even have
            // been amended since.
            outcome.amount_minor = Some(order::total_minor(&client, request.order_id).await?);
            // The customer or the shop has already been asked, and has only the rest of the time.
            if let Some(wait) = outcome.wait {
                outcome.wait = Some(wait.saturating_sub(order::time_at_status(&client, request.order_id).await?).max(SHORTEST_WAIT));
            }
        }
        Ok(outcome)
    }

    /// Takes the offer for the customer.
    pub(super) async fn amend(&self, amendment: Amendment) -> Result<StepOutcome, Failure> {
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let amended = stock::amend(&transaction, amendment.order_id, &self.reservation_policy).await.map_err(to_failure)?;
        transaction.commit().await?;
        let outcome = self.with_decision_wait(amended.step);
        Ok(StepOutcome { amount_minor: Some(amended.total_minor), wait: amended.wait.or(outcome.wait), ..outcome })
    }

    /// Records the review decision, and reserves the stock of an approved order.
    pub(super) async fn review(&self, decision: &ReviewDecision) -> Result<StepOutcome, Failure> {
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let status = order::lock_order(&transaction, decision.order_id).await?;
        let approved = risk::record_decision(&transaction, decision).await?;
        let step = match status {
            OrderStatus::InReview if approved => {
                match stock::reserve_approved(&transaction, decision.order_id, &self.reservation_policy).await {
                    Ok(step) => step,
                    Err(error) if error.refusal().is_some() => {
                        transaction.commit().await?;
                        return Err(to_failure(error));
                    }
                    Err(error) => return Err(to_failure(error)),
                }
            }
            _ => TransitionResult::unchanged(status),
        };
        transaction.commit().await?;
        if !approved && status == OrderStatus::InReview {
            return Err(Failure::Refused(Refusal::NotApproved, "the shop did not approve the order".to_owned()));
        }
        Ok(self.with_decision_wait(step))
    }

    /// Adds how long the workflow waits for a decision, if the order's status requires one.
    fn with_decision_wait(&self, step: TransitionResult) -> StepOutcome {
        let must_wait = matches!(step.status, OrderStatus::ActionRequired | OrderStatus::InReview);
        StepOutcome { wait: must_wait.then_some(self.reservation_policy.decision_timeout), ..step.into() }
    }
}
