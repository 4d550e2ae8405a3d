//! The process of one restock: a workflow of its own, since no order is concerned, and only workers reach Postgres.

use super::step::{StepSettings, Stepping, detached, take};
use crate::{
    activities::OrderActivities,
    restock::{RestockInput, Restocked},
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowResult};

/// The marker of the workflow's type for client handles.
pub use restock_workflow::Run as RestockWorkflowType;

/// Brings units of a product in; its workflow id is the restock's id. It is tried until it is done: the units are in the warehouse.
#[workflow]
pub struct RestockWorkflow {
    settings: StepSettings,
}

impl RestockWorkflow {
    /// An instance for one execution; the worker registers this as the workflow's factory.
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
        Ok(take(ctx, || OrderActivities::restock_product, restock, detached()).await?)
    }
}
