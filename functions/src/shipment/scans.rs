//! Passes tracking events from carriers and from staff on to the order's workflow.

use crate::{
    http::Problem,
    order::order_trace::in_order_trace,
    workflows::{Signalled, Workflows},
};
use axum::Json;
use orders::shipping::Scan;
use platform::read_model::ReadModel;
use serde::Serialize;

const TRY_AGAIN: &str = "The message cannot be accepted right now; send it again.";

/// The message was accepted, or it can no longer change anything.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(description = ""))]
#[serde(deny_unknown_fields)]
pub(crate) struct EventReceived {
    #[cfg_attr(test, schema(schema_with = always))]
    pub(crate) received: bool,
}

#[cfg(test)]
fn always() -> utoipa::openapi::Schema {
    orders::schema::only_true("")
}

/// Signals a tracking event to the order's workflow. `source` says for the log where the event came
/// from.
///
/// # Errors
/// 404 if there is no such order; 503 if the event cannot be passed on now.
pub(crate) async fn signal_tracking_event(
    workflows: &Workflows,
    read_model: &ReadModel,
    scan: Scan,
    source: &str,
) -> Result<Json<EventReceived>, Problem> {
    let (shipment, event, order_id) = (scan.shipment_id, scan.event.as_str(), scan.shipment_id.order_id);
    let signalled = in_order_trace(read_model, order_id, workflows.signal_tracking_event(scan)).await;
    let signalled = signalled.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    if signalled == Signalled::NotRunning {
        let order = read_model.order(order_id).await?.ok_or_else(Problem::no_such_order)?;
        if !order.status.is_final() {
            // The workflow has ended, but the order's final status is not in the read model yet.
            return Err(Problem::unavailable(TRY_AGAIN, anyhow::anyhow!("{order_id} is {} and its workflow is not running", order.status)));
        }
        let status = order.status;
        tracing::info!(%order_id, source, "order {order_id} is {status}, so {event} of {shipment} changes nothing");
    }
    Ok(Json(EventReceived { received: true }))
}
