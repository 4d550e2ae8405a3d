//! The process of one event at the payment gateway.

use super::step::{StepSettings, Stepping, detached, take};
use crate::{
    activities::{OrderActivities, Progress},
    reconciliation::PaymentEvent,
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowResult};

/// The marker of the workflow's type for client handles.
pub use reconcile_workflow::Run as ReconcileWorkflowType;

/// Makes our records agree with the gateway's; its workflow id is made of the event's id, so that an event that comes twice is looked into once.
#[workflow]
pub struct ReconcileWorkflow {
    settings: StepSettings,
}

impl ReconcileWorkflow {
    /// An instance for one execution; the worker registers this as the workflow's factory.
    #[must_use]
    pub fn new(settings: StepSettings) -> Self {
        Self { settings }
    }
}

impl Stepping for ReconcileWorkflow {
    fn settings(&self) -> &StepSettings {
        &self.settings
    }
}

#[workflow_methods(factory_only)]
impl ReconcileWorkflow {
    /// The result says where the order stands.
    #[run(name = "ReconcileWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, event: PaymentEvent) -> WorkflowResult<Progress> {
        Ok(take(ctx, || OrderActivities::reconcile_payment, event, detached()).await?)
    }
}
