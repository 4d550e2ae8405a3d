//! The `ResumeOrder` activity: finds the state of an order whose workflow is started again.

use super::{Activities, StepOutcome, attempt::Failure};
use crate::{db, order, order::TransitionResult};
use anyhow::Context;
use orders::{
    OrderId, OrderStatus,
    activities::{NO_SUCH_ORDER, Refusal, RemainingSteps},
    view,
};

impl Activities {
    /// Sets `rest` to the input of the order's remaining steps.
    ///
    /// An accepted order can be lost before it is on record, together with its workflow or the
    /// intake queue. Then only the read model has it, and this function records the order from
    /// there. Its payment method and contact are not known in this case, because the read model
    /// does not contain them.
    pub(super) async fn resume(&self, id: OrderId, rest: &mut Option<RemainingSteps>) -> Result<StepOutcome, Failure> {
        let client = db::connection(&self.pool).await?;
        let (status, remaining) = match order::load_for_resume(&client, id).await? {
            Some(resumed) => resumed,
            None => {
                let Some(stored) = self.projector.read_model().order(id).await? else {
                    return Err(Failure::Refused(Refusal::InvalidOrder, NO_SUCH_ORDER.to_owned()));
                };
                order::record_order(&client, &view::accepted_order(&stored.json).context("the read model's order cannot be read")?).await?;
                tracing::warn!(order_id = %id, "{id}: only the read model had the order; it is on record now");
                order::load_for_resume(&client, id).await?.context("the order is not on record")?
            }
        };
        *rest = remaining;
        let ships = match status {
            OrderStatus::Paid => self.shipping.ships(),
            OrderStatus::Shipped | OrderStatus::Delivered => true,
            _ => false,
        };
        Ok(StepOutcome { ships, ..TransitionResult::unchanged(status).into() })
    }
}
