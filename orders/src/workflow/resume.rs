//! Continuing an order from its facts in Postgres. This happens in two cases: a lost workflow is
//! started again, or a workflow with a long history continues as new.
//!
//! Temporal ends a workflow at 51,200 events, and suggests to continue as new long before that.
//! Only this suggestion decides. It is stored in the history, so a replay decides the same. The new
//! run gets the order's id and the signals received so far; everything else is in Postgres.

use super::{
    Cancel, Halt, OrderWorkflow, Review, refusal,
    step::{detached, run_step},
};
use crate::{
    activities::{OrderActivities, PaymentRequest, ReservationRequest, Resumed, Resumption, StepResult},
    id::OrderId,
    order::OrderInput,
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
    /// An order whose workflow was started before.
    Again(Resume),
}

/// Continues an order from its facts in Postgres.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    #[serde(rename = "resume")]
    pub order_id: OrderId,
    #[serde(flatten)]
    pub carried: Carried,
}

impl Resume {
    /// The input for an order whose workflow was lost.
    #[must_use]
    pub fn for_order(order_id: OrderId) -> Self {
        Self { order_id, carried: Carried::default() }
    }
}

/// The signals that the previous run received.
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
    /// Takes over the signals of the previous run. Signals that this run received before it started
    /// come after them.
    pub(super) fn take_over(&mut self, carried: Carried) {
        self.cancel = carried.cancel.or(self.cancel.take());
        self.amended |= carried.amended;
        self.review = carried.review.or(self.review.take());
        let later = std::mem::replace(&mut self.scans, carried.scans);
        self.scans.extend(later);
    }

    /// Looks up the order, and runs its remaining steps up to the payment.
    pub(super) async fn resume(ctx: &WorkflowContext<Self>, order_id: OrderId) -> Result<StepResult, Halt> {
        let Resumed { progress, rest } = match run_step(ctx, || OrderActivities::resume_order, Resumption { order_id }, detached()).await {
            Ok(resumed) => resumed,
            Err(error) => match refusal(&error) {
                Some(reason) => return Err(Halt::Unknown(reason.to_owned())),
                None => return Self::advance(ctx, Err(error)).await,
            },
        };
        let Some(rest) = rest else { return Err(Halt::Ended(progress.status)) };
        if let Some(request) = rest.withdrawal {
            return Err(Halt::Compensating(request));
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

    /// Sets `is_long` if Temporal suggests to continue as new. Every signal handler calls this, so
    /// that a waiting workflow continues as new however many signals it receives.
    pub(super) fn record_length(&mut self, ctx: &SyncWorkflowContext<Self>) {
        self.is_long = self.is_long || suggested(ctx.continue_as_new_suggested(), ctx.history_length(), |patch| ctx.patched(patch));
    }

    /// Whether the workflow should continue as new at this wait.
    pub(super) fn is_long(ctx: &WorkflowContext<Self>) -> bool {
        ctx.state(|s| s.is_long) || suggested(ctx.continue_as_new_suggested(), ctx.history_length(), |patch| ctx.patched(patch))
    }

    /// Ends this run. The next run continues from Postgres and from the signals received so far.
    /// Temporal rejects this end while there are signals that the run has not handled.
    pub(super) fn continue_as_new(ctx: &WorkflowContext<Self>, order_id: OrderId) -> WorkflowTermination {
        let carried =
            ctx.state(|s| Carried { cancel: s.cancel.clone(), amended: s.amended, review: s.review.clone(), scans: s.scans.clone() });
        match ctx.continue_as_new(OrderStart::Again(Resume { order_id, carried }), ContinueAsNewOptions::default()) {
            Err(end) => end,
            Ok(never) => match never {},
        }
    }
}

/// Whether Temporal suggests to continue as new and this run follows the suggestion. Runs of an
/// earlier release ignored it, so the decision is guarded by a patch. The patch id contains the
/// history length: an answer for one patch id is valid for the whole run, and each point of the
/// history needs its own answer.
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
        let start = OrderStart::Again(Resume::for_order(ID.parse().unwrap()));
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
