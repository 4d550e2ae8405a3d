//! `POST /api/orders/{id}/amend`: takes the offer of an order that is out of stock in part.

use crate::{
    http::{JsonBody, OrderPath, Problem},
    idempotency::Idempotency,
    identity::{Caller, Identity},
    order::order_trace::in_order_trace,
    workflows::{Signalled, Workflows},
};
use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::StatusCode,
    response::IntoResponse,
    routing::post,
};
use orders::{OrderId, OrderStatus, request};
use platform::read_model::ReadModel;
use serde::Serialize;
use std::sync::Arc;

const PATH: &str = "/api/orders/{id}/amend";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Idempotency>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route(PATH, post(amend_order))
}

/// The decision was passed on to the order's workflow. `status` is the order's status at that time.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Decided, description = ""))]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionAccepted {
    pub(crate) id: OrderId,
    pub(crate) status: OrderStatus,
}

/// Take the offered part of an order
///
/// Part of an order that is ACTION_REQUIRED is out of stock. Each item says how much of it is
/// `available`: what the shop offers, which may be less than there is. This call takes the offer:
/// quantities and total become what was offered, and the order continues, or is IN_REVIEW when it
/// exceeds the customer's limits. The offer is held for as long as an order may take to be paid (15
/// min unless configured otherwise), or not at all while the customer's other orders are unpaid. If
/// the offer is gone by the time it is taken, the order stays ACTION_REQUIRED with another offer,
/// or ends FAILED when no product is there in full. The alternative is to cancel. Without an answer
/// in time (24 h unless configured otherwise) the order is cancelled.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = PATH,
        operation_id = "amendOrder",
        tag = "orders",
        security(("token" = [])),
        params(OrderPath),
        request_body(content = Option<request::body::Amend>, example = json!({})),
        responses(
            (
                status = 202,
                description = "The decision was passed on. `status` is the order's status at that time.",
                body = DecisionAccepted,
                example = json!({ "id": crate::openapi::examples::ORDER_ID, "status": "ACTION_REQUIRED" })
            ),
            crate::openapi::Unauthenticated,
            crate::openapi::InsufficientScope,
            crate::openapi::OrderNotFound,
            crate::openapi::NotWaiting,
            JsonBody,
            crate::openapi::Invalid,
            crate::openapi::TooManyRequests,
            crate::openapi::Unavailable
        )
    )
)]
async fn amend_order(
    caller: Caller,
    State(idempotency): State<Arc<Idempotency>>,
    State(read_model): State<Arc<ReadModel>>,
    State(workflows): State<Arc<Workflows>>,
    OrderPath(id): OrderPath,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    request::parse_amendment(&body)?;
    let status = OrderStatus::ActionRequired;
    ensure_waiting_at(&read_model, &caller, id, status).await?;
    let signal =
        in_order_trace(&read_model, id, async { workflows.amend(id).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error)) });
    match idempotency.limit("amend", id, signal).await? {
        Signalled::Delivered => Ok((StatusCode::ACCEPTED, Json(DecisionAccepted { id, status }))),
        Signalled::NotRunning => Err(Problem::not_waiting()),
    }
}

pub(crate) const TRY_AGAIN: &str = "The decision cannot be accepted right now; try again.";

/// Checks that the caller may see the order, and that the order has this status, so that it waits
/// for the decision.
///
/// # Errors
/// 404 if there is no such order or it is another customer's; 409 if the order has another status;
/// 503 if the read model does not answer.
pub(crate) async fn ensure_waiting_at(read_model: &ReadModel, caller: &Caller, id: OrderId, status: OrderStatus) -> Result<(), Problem> {
    let order = read_model.order(id).await?;
    caller.ensure_may_see(order.as_ref())?;
    match order {
        None => Err(Problem::no_such_order()),
        Some(order) if order.status == status => Ok(()),
        Some(_) => Err(Problem::not_waiting()),
    }
}
