//! The process of one refund: a workflow of its own, since an order's has ended by the time that most are asked for.

use super::step::{StepSettings, Stepping, detached, take};
use crate::{
    activities::{OrderActivities, Progress},
    refund::RefundInput,
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowResult};

/// The marker of the workflow's type for client handles.
pub use refund_workflow::Run as RefundWorkflowType;

/// Gives back what a refund is for; its workflow id is the refund's id. It is tried until it is known what came of it: money is owed.
#[workflow]
pub struct RefundWorkflow {
    settings: StepSettings,
}

impl RefundWorkflow {
    /// An instance for one execution; the worker registers this as the workflow's factory.
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
    /// The result says where the order stands; what came of the refund is in Postgres, and readers see it.
    #[run(name = "RefundWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, refund: RefundInput) -> WorkflowResult<Progress> {
        Ok(take(ctx, || OrderActivities::refund_payment, refund, detached()).await?)
    }
}
