//! Going on with an order from what Postgres knows of it: a workflow that was lost is started again, and one whose history is long continues as new.
//!
//! Temporal ends a workflow at 51,200 events. It suggests to continue as new long before that, and only what it suggests decides here: the suggestion
//! stands in the history, so that a replay comes to the same. The new run knows the order's id and what was signalled; the rest is in Postgres.

use super::{
    Cancel, Halt, OrderWorkflow, Review, refusal,
    step::{detached, take},
};
use crate::{
    activities::{OrderActivities, OrderInput, PaymentRequest, Progress, ReservationRequest, Resumed, Resumption},
    id::OrderId,
    shipping::Scan,
    status::OrderStatus,
};
use serde::{Deserialize, Serialize};
use temporalio_workflow::{ContinueAsNewOptions, SyncWorkflowContext, WorkflowContext, WorkflowTermination};

/// The input of [`OrderWorkflow`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OrderStart {
    /// An order as it was accepted.
    New(OrderInput),
    /// An order that was begun before.
    Again(Resume),
}

/// Has an order that was begun before go on from what Postgres knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    #[serde(rename = "resume")]
    pub order_id: OrderId,
    #[serde(flatten)]
    pub carried: Carried,
}

impl Resume {
    /// Of a workflow that was lost.
    #[must_use]
    pub fn of(order_id: OrderId) -> Self {
        Self { order_id, carried: Carried::default() }
    }
}

/// What was signalled to the run before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub amended: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scans: Vec<Scan>,
}

impl OrderStart {
    #[must_use]
    pub fn order_id(&self) -> OrderId {
        match self {
            Self::New(order) => order.id,
            Self::Again(resume) => resume.order_id,
        }
    }
}

impl OrderWorkflow {
    /// Takes over what was signalled to the run before. What was signalled to this one already, before it ran, comes after that.
    pub(super) fn take_over(&mut self, carried: Carried) {
        self.cancel = carried.cancel.or(self.cancel.take());
        self.amended |= carried.amended;
        self.review = carried.review.or(self.review.take());
        let later = std::mem::replace(&mut self.scans, carried.scans);
        self.scans.extend(later);
    }

    /// Looks up where the order stands, and takes the steps up to the payment that are left.
    pub(super) async fn resume(ctx: &WorkflowContext<Self>, order_id: OrderId) -> Result<Progress, Halt> {
        let Resumed { progress, rest } = match take(ctx, || OrderActivities::resume_order, Resumption { order_id }, detached()).await {
            Ok(resumed) => resumed,
            Err(error) => match refusal(&error) {
                Some(reason) => return Err(Halt::Unknown(reason.to_owned())),
                None => return Self::advance(ctx, Err(error)).await,
            },
        };
        let Some(rest) = rest else { return Err(Halt::Ended(progress.status)) };
        if let Some(withdrawal) = rest.withdrawal {
            return Err(Halt::Withdrawn(withdrawal));
        }
        let progress = Self::advance(ctx, Ok(progress)).await?;
        if matches!(progress.status, OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Delivered) {
            return Ok(progress);
        }
        let reservation = ReservationRequest { order_id, currency: rest.currency, items: rest.items };
        let payment = PaymentRequest {
            order_id,
            amount_minor: rest.total_minor,
            currency: rest.currency,
            payment_method: rest.payment_method,
            resumed: true,
        };
        Self::reserve_and_pay(ctx, reservation, payment).await
    }

    /// Notes in a signal's handler that the history is long, so that what waits continues as new however many signals come.
    pub(super) fn note_length(&mut self, ctx: &SyncWorkflowContext<Self>) {
        self.is_long = self.is_long || suggested(ctx.continue_as_new_suggested(), ctx.history_length(), |patch| ctx.patched(patch));
    }

    /// Whether to continue as new at this wait.
    pub(super) fn is_long(ctx: &WorkflowContext<Self>) -> bool {
        ctx.state(|s| s.is_long) || suggested(ctx.continue_as_new_suggested(), ctx.history_length(), |patch| ctx.patched(patch))
    }

    /// The end of this run: the next one goes on from what Postgres knows, and from what was signalled. Temporal does not take it while there are
    /// signals that this run has not seen.
    pub(super) fn continue_as_new(ctx: &WorkflowContext<Self>, order_id: OrderId) -> WorkflowTermination {
        let carried =
            ctx.state(|s| Carried { cancel: s.cancel.clone(), amended: s.amended, review: s.review.clone(), scans: s.scans.clone() });
        match ctx.continue_as_new(OrderStart::Again(Resume { order_id, carried }), ContinueAsNewOptions::default()) {
            Err(end) => end,
            Ok(never) => match never {},
        }
    }
}

/// Whether Temporal suggests to continue as new, in a run that heeds it: the runs of an earlier release went on. Each point of a history is asked about
/// by a name of its own, since an answer to one name holds for the whole run.
fn suggested(is_suggested: bool, history_length: u32, patched: impl FnOnce(&str) -> bool) -> bool {
    is_suggested && patched(&format!("continue-as-new-at-{history_length}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "ord_01930000000070008000000000000001";

    #[test]
    fn an_order_as_it_was_accepted_is_read_as_ever() {
        let order = json!({
            "id": ID, "customer_id": "CUST-1", "items": [{"product_id": "P", "quantity": 1, "unit_price_minor": 100}],
            "total_minor": 100, "currency": "USD", "payment_method": "tok_visa", "contact": null, "accepted_at": "2026-11-29T00:00:00Z",
        });
        let start: OrderStart = serde_json::from_value(order.clone()).unwrap();
        assert!(matches!(&start, OrderStart::New(order) if order.customer_id == "CUST-1"));
        assert_eq!(serde_json::to_value(&start).unwrap(), order);
    }

    #[test]
    fn a_lost_order_is_named_by_its_id_alone() {
        let start = OrderStart::Again(Resume::of(ID.parse().unwrap()));
        assert_eq!(serde_json::to_value(&start).unwrap(), json!({ "resume": ID }));
        assert_eq!(serde_json::from_value::<OrderStart>(json!({ "resume": ID })).unwrap(), start);
    }

    #[test]
    fn what_was_signalled_is_carried_on() {
        let carried = json!({
            "resume": ID, "cancel": {"reason": null}, "amended": true, "review": {"approved": true, "by": "s", "note": null},
            "scans": [{"shipment_id": format!("{ID}-1"), "event": "LOST", "at": "2026-11-29T00:00:00Z"}],
        });
        let start: OrderStart = serde_json::from_value(carried.clone()).unwrap();
        assert_eq!(serde_json::to_value(start).unwrap(), carried);
    }
}
