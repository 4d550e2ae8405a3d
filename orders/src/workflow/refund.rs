//! The workflow of one refund. It is separate from the order's workflow, because that has usually
//! ended when a refund is requested.

use super::step::{StepSettings, Stepping, detached, run_step};
use crate::{
    activities::{OrderActivities, StepResult},
    refund::RefundInput,
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowResult};

/// The marker of the workflow's type for client handles.
pub use refund_workflow::Run as RefundWorkflowType;

/// Makes a refund. The workflow id is the refund's id. The activity is retried until its result is
/// known, because the money is owed.
#[workflow]
pub struct RefundWorkflow {
    settings: StepSettings,
}

impl RefundWorkflow {
    /// Creates the instance for one execution. The worker registers this function as the workflow's
    /// factory.
    #[must_use]
    pub fn new(settings: StepSettings) -> Self {
        Self { settings }
    }
}

impl Stepping for RefundWorkflow {
    fn settings(&self) -> &StepSettings {
        &self.settings
    }
}

#[workflow_methods(factory_only)]
impl RefundWorkflow {
    /// Returns the order's status. The result of the refund itself is in Postgres, from where
    /// readers get it.
    #[run(name = "RefundWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, refund: RefundInput) -> WorkflowResult<StepResult> {
        Ok(run_step(ctx, || OrderActivities::refund_payment, refund, detached()).await?)
    }
}
