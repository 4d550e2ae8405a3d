//! The workflow of one event of the payment gateway.

use super::step::{StepSettings, Stepping, detached, run_step};
use crate::{
    activities::{OrderActivities, StepResult},
    reconciliation::PaymentEvent,
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowResult};

/// The marker of the workflow's type for client handles.
pub use reconcile_workflow::Run as ReconcileWorkflowType;

/// Reconciles a payment with the gateway. The workflow id is derived from the event's id, so that
/// an event that arrives twice is handled once.
#[workflow]
pub struct ReconcileWorkflow {
    settings: StepSettings,
}

impl ReconcileWorkflow {
    /// Creates the instance for one execution. The worker registers this function as the workflow's
    /// factory.
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
    /// Returns the order's status after the reconciliation.
    #[run(name = "ReconcileWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, event: PaymentEvent) -> WorkflowResult<StepResult> {
        Ok(run_step(ctx, || OrderActivities::reconcile_payment, event, detached()).await?)
    }
}
