//! `POST /api/orders/{id}/refunds`: starts a refund of the whole captured amount or of a part of
//! it. Only for admins.
//!
//! Only Postgres knows what can still be refunded. Therefore the answer says that the refund was
//! accepted, and the order later shows the result. A refund that is impossible according to the
//! read model is refused at once, and the request is counted.

use crate::{
    http::{JsonBody, OrderPath, Problem},
    idempotency::{Idempotency, required_key},
    identity::{Caller, Identity},
    order::order_trace::in_order_trace,
    order::refundable::Refundable,
    workflows::Workflows,
};
use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use orders::{
    OrderId, RefundId,
    refund::{RefundInput, RefundRequest},
};
use platform::read_model::ReadModel;
use serde::Serialize;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

const PATH: &str = "/api/orders/{id}/refunds";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Idempotency>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
{
    Router::new().route(PATH, post(create_refund))
}

/// The refund was accepted.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = RefundRequested, description = ""))]
#[serde(deny_unknown_fields)]
struct Accepted {
    id: RefundId,
    #[serde(rename = "orderID")]
    order_id: OrderId,
    #[cfg_attr(test, schema(schema_with = pending))]
    status: &'static str,
}

#[cfg(test)]
fn pending() -> utoipa::openapi::Schema {
    orders::schema::one_of(&["PENDING"], "")
}

/// Refund an order
///
/// Refunds what was paid, whole or in part; for the shop's admins. Never more than was captured.
/// What the read model already shows to be impossible is refused at once (409, 422), and with 429
/// when that has happened too often. The worker decides about all else, and the order shows the
/// result under `refunds`. A refund that the payment gateway refuses for now stays PENDING and is
/// tried again. A call that is repeated with the same `Idempotency-Key` is one refund.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = PATH,
        operation_id = "createRefund",
        tag = "orders",
        security(("token" = [])),
        params(OrderPath, crate::openapi::RequiredIdempotencyKey),
        request_body(
            content = Option<orders::request::body::NewRefund>,
            examples(
                ("part" = (
                    summary = "A unit came back",
                    value = json!({ "items": [{ "productID": "PROD-001", "quantity": 1 }], "restock": true, "reason": "returned unopened" })
                )),
                ("amount" = (summary = "A discount afterwards", value = json!({ "amount": 20.0, "reason": "scratched" })))
            )
        ),
        responses(
            (
                status = 202,
                description = "The refund was requested.",
                body = Accepted,
                headers(("Location")),
                example = json!({
                    "id": "ref_01a1fd8d2e5f7134954c66ad08d436e4",
                    "orderID": crate::openapi::examples::ORDER_ID,
                    "status": "PENDING"
                })
            ),
            crate::openapi::MalformedOrWithoutKey,
            crate::openapi::Unauthenticated,
            crate::openapi::AdminOnly,
            crate::openapi::OrderNotFound,
            crate::openapi::NothingToRefund,
            JsonBody,
            crate::openapi::InvalidOrReused,
            crate::openapi::TooManyRequests,
            crate::openapi::Unavailable
        )
    )
)]
async fn create_refund(
    caller: Caller,
    State(idempotency): State<Arc<Idempotency>>,
    State(workflows): State<Arc<Workflows>>,
    State(read_model): State<Arc<ReadModel>>,
    OrderPath(order_id): OrderPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    caller.ensure_is_admin()?;
    let key = required_key(&caller, &headers)?;
    let order = read_model.order(order_id).await?.ok_or_else(Problem::no_such_order)?;
    let unreadable = |error| Problem::unavailable("The order cannot be read right now.", error);
    let refundable: Refundable<'_> = serde_json::from_str(&order.json).map_err(unreadable)?;
    let request = RefundRequest::parse(&body, refundable.currency)?;
    let request_bytes = [order_id.to_string().as_bytes(), &body].concat();
    let (id, requested_at) = (RefundId::new(Uuid::now_v7()), OffsetDateTime::now_utc());
    // A repeated request is neither counted nor checked again: it was accepted when there was
    // something to refund. Every other request is counted, because each may become a workflow, a
    // row and a message.
    let claim = match idempotency.find_claim(&key, &request_bytes, requested_at).await.transpose() {
        Some(claim) => claim,
        None => {
            idempotency.count_request("refund", order_id).await?;
            if let Some(refusal) = refundable.refusal(&request, &body) {
                return Err(refusal);
            }
            idempotency.claim(&key, &request_bytes, id, requested_at).await
        }
    };
    let (id, requested_at) = claim.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?.claimed_id(id, requested_at)?;
    let refund = RefundInput { id, order_id, request, requested_at };
    let started = in_order_trace(&read_model, order_id, workflows.start_refund(refund)).await;
    started.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    let location = [(header::LOCATION, format!("/api/orders/{order_id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(Accepted { id, order_id, status: "PENDING" })))
}

const TRY_AGAIN: &str = "The refund cannot be accepted right now; try again, with the same Idempotency-Key.";
