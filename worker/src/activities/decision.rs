//! The steps that wait for a decision of the customer or the shop, or continue after one.

use super::{Activities, Answer, attempt::Failure, refusal};
use crate::{db, inventory, order, order::Move, risk};
use orders::{
    OrderStatus,
    activities::{Amendment, Refusal, ReservationRequest, Verdict},
};
use std::time::Duration;

/// The shortest time that a workflow waits.
const AT_ONCE: Duration = Duration::from_millis(1);

impl Activities {
    /// Reserves the order's stock. `waited` is how long this step has been tried.
    pub(super) async fn reserve(&self, request: &ReservationRequest, waited: Duration) -> Result<Answer, Failure> {
        let mut client = db::connection(&self.pool).await?;
        let step = inventory::reserve(&mut client, request, waited, &self.terms).await.map_err(refusal)?;
        let mut answer = self.waiting(step);
        if step.moved_after.is_none() {
            // An earlier attempt moved the order, but its result was lost. The order may even have
            // been amended since.
            answer.amount_minor = Some(order::total_minor(&client, request.order_id).await?);
            // The customer or the shop has already been asked, and has only the rest of the time.
            if let Some(wait) = answer.wait {
                answer.wait = Some(wait.saturating_sub(order::stands_for(&client, request.order_id).await?).max(AT_ONCE));
            }
        }
        Ok(answer)
    }

    /// Takes the offer for the customer.
    pub(super) async fn amend(&self, amendment: Amendment) -> Result<Answer, Failure> {
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let amended = inventory::amend(&transaction, amendment.order_id, &self.terms).await.map_err(refusal)?;
        transaction.commit().await?;
        let answer = self.waiting(amended.step);
        Ok(Answer { amount_minor: Some(amended.total_minor), wait: amended.wait.or(answer.wait), ..answer })
    }

    /// Records the review decision, and reserves the stock of an approved order.
    pub(super) async fn review(&self, verdict: &Verdict) -> Result<Answer, Failure> {
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let status = order::lock(&transaction, verdict.order_id).await?;
        let approved = risk::record(&transaction, verdict).await?;
        let step = match status {
            OrderStatus::InReview if approved => match inventory::approve(&transaction, verdict.order_id, &self.terms).await {
                Ok(step) => step,
                Err(error) if error.refusal().is_some() => {
                    transaction.commit().await?;
                    return Err(refusal(error));
                }
                Err(error) => return Err(refusal(error)),
            },
            _ => Move::none(status),
        };
        transaction.commit().await?;
        if !approved && status == OrderStatus::InReview {
            return Err(Failure::Refused(Refusal::NotApproved, "the shop did not approve the order".to_owned()));
        }
        Ok(self.waiting(step))
    }

    /// Adds how long the workflow waits for a decision, if the order's status requires one.
    fn waiting(&self, step: Move) -> Answer {
        let waits = matches!(step.status, OrderStatus::ActionRequired | OrderStatus::InReview);
        Answer { wait: waits.then_some(self.terms.decision_timeout), ..step.into() }
    }
}
