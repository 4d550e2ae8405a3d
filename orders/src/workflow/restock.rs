//! The workflow of one restock. A workflow is needed because only workers can reach Postgres; it is
//! separate because a restock belongs to no order.

use super::step::{StepSettings, Stepping, detached, run_step};
use crate::{
    activities::OrderActivities,
    restock::{RestockInput, Restocked},
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowResult};

/// The marker of the workflow's type for client handles.
pub use restock_workflow::Run as RestockWorkflowType;

/// Adds units to a product's stock. The workflow id is the restock's id. The activity is retried
/// until it succeeds, because the units are already in the warehouse.
#[workflow]
pub struct RestockWorkflow {
    settings: StepSettings,
}

impl RestockWorkflow {
    /// Creates the instance for one execution. The worker registers this function as the workflow's
    /// factory.
    #[must_use]
    pub fn new(settings: StepSettings) -> Self {
        Self { settings }
    }
}

impl Stepping for RestockWorkflow {
    fn settings(&self) -> &StepSettings {
        &self.settings
    }
}

#[workflow_methods(factory_only)]
impl RestockWorkflow {
    #[run(name = "RestockWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, restock: RestockInput) -> WorkflowResult<Restocked> {
        Ok(run_step(ctx, || OrderActivities::restock_product, restock, detached()).await?)
    }
}
