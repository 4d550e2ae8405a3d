//! Passing on where a shipment is: what a carrier says, and what the shop's own people say.

use crate::{
    http::Problem,
    workflows::{Signalled, Workflows},
};
use axum::Json;
use orders::shipping::Scan;
use platform::read_model::ReadModel;
use serde::Serialize;

const TRY_AGAIN: &str = "The message cannot be taken right now; send it again.";

/// The message was taken, or changes nothing any more.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = EventReceived, description = ""))]
#[serde(deny_unknown_fields)]
pub(crate) struct Received {
    #[cfg_attr(test, schema(schema_with = always))]
    pub(crate) received: bool,
}

#[cfg(test)]
fn always() -> utoipa::openapi::Schema {
    orders::schema::only_true("")
}

/// Tells the order's workflow. `source` is what said it, for the log.
///
/// # Errors
/// When there is no such order, or it cannot be told right now.
pub(crate) async fn pass_on(workflows: &Workflows, read_model: &ReadModel, scan: Scan, source: &str) -> Result<Json<Received>, Problem> {
    let (shipment, event, order_id) = (scan.shipment_id, scan.event.as_str(), scan.shipment_id.order_id);
    let signalled = workflows.scan(scan).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    if signalled == Signalled::NotRunning {
        let order = read_model.order(order_id).await?.ok_or_else(Problem::no_such_order)?;
        if !order.status.is_final() {
            // Its end has not reached the read model.
            return Err(Problem::unavailable(TRY_AGAIN, anyhow::anyhow!("{order_id} is {} and its workflow is not running", order.status)));
        }
        let status = order.status;
        tracing::info!(%order_id, source, "{order_id}: it is {status}, so {event} of {shipment} changes nothing");
    }
    Ok(Json(Received { received: true }))
}
