//! Looking up where an order stands whose workflow is started again.

use super::{Activities, Answer, attempt::Failure};
use crate::{db, order, order::Move};
use anyhow::{Context, anyhow};
use orders::{
    OrderId, OrderStatus,
    activities::{NO_SUCH_ORDER, Refusal, Rest},
    view,
};

impl Activities {
    /// Notes in `rest` what the order's remaining steps need. An order that was accepted and lost before it was recorded, with its workflow or with the
    /// intake queue, stands in the read model only: it is recorded from there. Neither its payment method nor its contact is known then.
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
