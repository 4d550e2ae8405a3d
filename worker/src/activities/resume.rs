//! The `ResumeOrder` activity: finds the state of an order whose workflow is started again.

use super::{Activities, Answer, attempt::Failure};
use crate::{db, order, order::Move};
use anyhow::{Context, anyhow};
use orders::{
    OrderId, OrderStatus,
    activities::{NO_SUCH_ORDER, Refusal, Rest},
    view,
};

impl Activities {
    /// Sets `rest` to the input of the order's remaining steps.
    ///
    /// An accepted order can be lost before it is on record, together with its workflow or the
    /// intake queue. Then only the read model has it, and this records it from there. Its payment
    /// method and contact are not known in this case, because the read model does not contain them.
    pub(super) async fn resume(&self, id: OrderId, rest: &mut Option<Rest>) -> Result<Answer, Failure> {
        let client = db::connection(&self.pool).await?;
        let known = match order::resume(&client, id).await? {
            Some(known) => known,
            None => {
                let Some(stored) = self.projector.read_model().order(id).await.map_err(|error| anyhow!("{error}"))? else {
                    return Err(Failure::Refused(Refusal::InvalidOrder, NO_SUCH_ORDER.to_owned()));
                };
                order::record(&client, &view::accepted_order(&stored.json).context("the read model's order cannot be read")?).await?;
                tracing::warn!(order_id = %id, "{id}: only the read model had it; it is on record now");
                order::resume(&client, id).await?.context("the order is not on record")?
            }
        };
        let (status, remaining) = known;
        *rest = remaining;
        let ships = match status {
            OrderStatus::Paid => self.shipping.ships(),
            OrderStatus::Shipped | OrderStatus::Delivered => true,
            _ => false,
        };
        Ok(Answer { ships, ..Move::none(status).into() })
    }
}
