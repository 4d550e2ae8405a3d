//! `POST /api/orders/{id}/review`: approves or declines an order that is in review. Only for staff.
//!
//! The first review decision counts. A signal has no answer, so the decision is claimed here before
//! the signal is sent. A different decision is refused, and the same decision is sent again.

use crate::{
    http::{JsonBody, Kind, OrderPath, Problem},
    idempotency::{Claim, Idempotency, Key},
    identity::{Caller, Identity},
    order::amend_order::{DecisionAccepted, TRY_AGAIN, ensure_waiting_at},
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
use orders::{OrderId, OrderStatus, request, workflow::Review};
use platform::read_model::ReadModel;
use std::sync::Arc;
use time::OffsetDateTime;

const PATH: &str = "/api/orders/{id}/review";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Idempotency>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route(PATH, post(review_order))
}

/// The reviewer that is recorded if authentication is off.
const UNKNOWN_REVIEWER: &str = "anyone";

/// Approve or decline an order
///
/// For the shop's staff. An order that exceeds the customer's limits is IN_REVIEW until somebody
/// approves or declines it. The first decision counts: a different one is answered 409, the same
/// one again 202. The order holds no stock until it is approved. Then it is reserved, becomes
/// ACTION_REQUIRED when a part of it has been sold, or ends FAILED when none of its products is
/// there in full. Without a decision in time (24 h unless configured otherwise) it is cancelled.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = PATH,
        operation_id = "reviewOrder",
        tag = "orders",
        security(("token" = [])),
        params(OrderPath),
        request_body(
            content = request::body::Review,
            example = json!({ "approved": true, "note": "a known customer" })
        ),
        responses(
            (
                status = 202,
                description = "The decision was passed on. `status` is the order's status at that time.",
                body = DecisionAccepted,
                example = json!({ "id": crate::openapi::examples::ORDER_ID, "status": "IN_REVIEW" })
            ),
            crate::openapi::Unauthenticated,
            crate::openapi::StaffOnly,
            crate::openapi::OrderNotFound,
            crate::openapi::NotWaiting,
            JsonBody,
            crate::openapi::Invalid,
            crate::openapi::TooManyRequests,
            crate::openapi::Unavailable
        )
    )
)]
async fn review_order(
    caller: Caller,
    State(idempotency): State<Arc<Idempotency>>,
    State(read_model): State<Arc<ReadModel>>,
    State(workflows): State<Arc<Workflows>>,
    OrderPath(id): OrderPath,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    caller.ensure_is_staff()?;
    let (approved, note) = request::parse_review(&body)?;
    let status = OrderStatus::InReview;
    ensure_waiting_at(&read_model, &caller, id, status).await?;
    claim_decision(&idempotency, id, approved).await?;
    let review = Review { approved, by: caller.subject().unwrap_or(UNKNOWN_REVIEWER).to_owned(), note };
    let signal = in_order_trace(&read_model, id, async {
        workflows.review(id, review).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))
    });
    match idempotency.limit("review", id, signal).await? {
        Signalled::Delivered => Ok((StatusCode::ACCEPTED, Json(DecisionAccepted { id, status }))),
        Signalled::NotRunning => Err(Problem::not_waiting()),
    }
}

/// Claims the decision for the order's review.
///
/// # Errors
/// 409 if the other decision came first; 503 if the claim cannot be stored.
async fn claim_decision(idempotency: &Idempotency, id: OrderId, approved: bool) -> Result<(), Problem> {
    let (decision, other) = if approved { ("approved", "declined") } else { ("declined", "approved") };
    let claim = idempotency.claim(&Key::for_review(id), decision.as_bytes(), id, OffsetDateTime::now_utc()).await;
    match claim.map_err(|error| Problem::unavailable(TRY_AGAIN, error))? {
        Claim::New | Claim::Replay { .. } => Ok(()),
        Claim::OtherBody => Err(Problem::new(Kind::NotWaiting, format!("The order has been {other} already; the first decision counts."))),
    }
}
