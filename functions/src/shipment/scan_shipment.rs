//! `POST /api/orders/{id}/shipments/{shipmentID}/scans`: staff record a tracking event if the
//! carrier sends no webhooks. The order's workflow treats it like a carrier's tracking event.

use crate::{
    http::{JsonBody, Kind, Problem},
    idempotency::Idempotency,
    identity::{Caller, Identity},
    shipment::scans,
    workflows::Workflows,
};
use axum::{
    Router,
    extract::{FromRef, Path, State, rejection::PathRejection},
    response::IntoResponse,
    routing::post,
};
use orders::{
    OrderId,
    shipping::{Report, Scan, ShipmentId},
};
use platform::read_model::{ReadModel, StoredOrder};
use serde::Deserialize;
use std::sync::Arc;
use time::OffsetDateTime;

const PATH: &str = "/api/orders/{id}/shipments/{shipmentID}/scans";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Idempotency>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route(PATH, post(scan_shipment))
}

/// Record a tracking event
///
/// For the shop's staff, where a carrier sends no webhooks. It counts as a carrier's tracking
/// event: a shipment only goes forward, and its first final status stays, so a late or repeated
/// event changes nothing.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = PATH,
        operation_id = "scanShipment",
        tag = "orders",
        security(("token" = [])),
        params(
            crate::http::OrderPath,
            ("shipmentID" = ShipmentId, Path, example = json!("ord_01a1fd8d2e5f7134954c66ad08d436e4-1"))
        ),
        request_body(
            content = orders::request::body::Scan,
            examples(
                ("delivered" = (value = json!({ "event": "DELIVERED" }))),
                ("returned" = (value = json!({ "event": "RETURNED", "reason": "nobody was at home" })))
            )
        ),
        responses(
            (
                status = 200,
                description = "The event was passed on, or the order has ended and nothing changes any more.",
                body = scans::EventReceived,
                example = json!({ "received": true })
            ),
            crate::openapi::Unauthenticated,
            crate::openapi::StaffOnly,
            crate::openapi::ShipmentNotFound,
            JsonBody,
            crate::openapi::Invalid,
            crate::openapi::TooManyRequests,
            crate::openapi::Unavailable
        )
    )
)]
async fn scan_shipment(
    caller: Caller,
    State(idempotency): State<Arc<Idempotency>>,
    State(read_model): State<Arc<ReadModel>>,
    State(workflows): State<Arc<Workflows>>,
    path: Result<Path<(String, String)>, PathRejection>,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    caller.ensure_is_staff()?;
    let Path((order_id, shipment_id)) = path.map_err(|_| Problem::no_such_order())?;
    let order_id: OrderId = order_id.parse().map_err(|_| Problem::no_such_order())?;
    let shipment_id: ShipmentId = shipment_id.parse().map_err(|_| no_such_shipment())?;
    let Report { event, reason } = Report::parse(&body)?;
    let order = read_model.order(order_id).await?.ok_or_else(Problem::no_such_order)?;
    if !has_shipment(&order, shipment_id)? {
        return Err(no_such_shipment());
    }
    let scan = Scan { shipment_id, event, at: OffsetDateTime::now_utc(), reason };
    let signal = scans::signal_tracking_event(&workflows, &read_model, scan, "staff");
    idempotency.limit(&format!("scan-{}", shipment_id.number), order_id, signal).await
}

/// Whether the order has this shipment.
fn has_shipment(order: &StoredOrder, shipment_id: ShipmentId) -> Result<bool, Problem> {
    #[derive(Deserialize)]
    struct Order {
        #[serde(default)]
        shipments: Vec<Shipment>,
    }
    #[derive(Deserialize)]
    struct Shipment {
        id: ShipmentId,
    }
    let known: Order =
        serde_json::from_str(&order.json).map_err(|error| Problem::unavailable("The order cannot be read right now.", error))?;
    Ok(known.shipments.iter().any(|shipment| shipment.id == shipment_id))
}

fn no_such_shipment() -> Problem {
    Problem::new(Kind::ShipmentNotFound, "The order has no shipment of this id.")
}
