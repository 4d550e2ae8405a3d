//! `POST /api/orders/{id}/cancel`: requests a cancellation from the order's workflow. Only the
//! workflow knows whether the request comes in time. Therefore the answer says that the request was
//! passed on, and not that the order is cancelled.

use crate::{
    http::{JsonBody, Kind, OrderPath, Problem},
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
use platform::read_model::{ReadModel, ReadStatus};
use serde::Serialize;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep};

/// How long a call waits for the order to leave the intake queue, or for its end to reach the read
/// model.
const MAX_WAIT: Duration = Duration::from_secs(2);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long after its acceptance an order may still be on its way to Temporal. If it has no
/// workflow after that, its workflow or its message in the intake queue was lost.
const MAX_TRANSIT: Duration = Duration::from_secs(60);

const PATH: &str = "/api/orders/{id}/cancel";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Idempotency>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route(PATH, post(cancel_order))
}

/// The cancellation was requested. `status` is the order's status at that time.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = CancelRequested, description = ""))]
#[serde(deny_unknown_fields)]
struct Requested {
    id: OrderId,
    #[cfg_attr(test, schema(value_type = OrderStatus))]
    status: ReadStatus,
}

/// Cancel an order
///
/// Requests that the order be cancelled. This takes effect before the order's next step: follow the
/// order to see whether it came in time. If it did not, the order continues, and its `cancellation`
/// says so. If the order is `queued`, the call waits up to 2 s for it to start; if it has not
/// started by then, try again.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = PATH,
        operation_id = "cancelOrder",
        tag = "orders",
        security(("token" = [])),
        params(OrderPath),
        request_body(content = Option<request::body::Cancel>, example = json!({ "reason": "ordered twice" })),
        responses(
            (
                status = 202,
                description = "The request was passed on. `status` is the order's status at that time.",
                body = Requested,
                example = json!({ "id": crate::openapi::examples::ORDER_ID, "status": "RESERVED" })
            ),
            crate::openapi::Unauthenticated,
            crate::openapi::InsufficientScope,
            crate::openapi::OrderNotFound,
            crate::openapi::OrderEnded,
            JsonBody,
            crate::openapi::Invalid,
            crate::openapi::TooManyRequests,
            crate::openapi::Unavailable
        )
    )
)]
async fn cancel_order(
    caller: Caller,
    State(idempotency): State<Arc<Idempotency>>,
    State(read_model): State<Arc<ReadModel>>,
    State(workflows): State<Arc<Workflows>>,
    OrderPath(id): OrderPath,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let reason = request::parse_cancel(&body)?;
    let before = open_status(&read_model, &caller, id).await?;
    let signal = in_order_trace(&read_model, id, signal_cancellation(&caller, &read_model, &workflows, id, reason, before));
    idempotency.limit("cancel", id, signal).await
}

/// Signals the cancellation to the order's workflow, and waits for a workflow that starts late.
/// `before` is the order's status in the read model.
async fn signal_cancellation(
    caller: &Caller,
    read_model: &ReadModel,
    workflows: &Workflows,
    id: OrderId,
    reason: Option<String>,
    mut before: Option<ReadStatus>,
) -> Result<(StatusCode, Json<Requested>), Problem> {
    let deadline = Instant::now() + MAX_WAIT;
    loop {
        let signalled = workflows.cancel(id, reason.clone()).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
        match (signalled, before) {
            // If the read model does not have the order of a running workflow, the order was
            // accepted a moment ago.
            (Signalled::Delivered, status) => {
                return Ok((StatusCode::ACCEPTED, Json(Requested { id, status: status.unwrap_or_else(|| OrderStatus::default().into()) })));
            }
            (Signalled::NotRunning, None) => return Err(Problem::no_such_order()),
            (Signalled::NotRunning, Some(_)) if Instant::now() < deadline => sleep(RETRY_PAUSE).await,
            (Signalled::NotRunning, Some(status)) if status == OrderStatus::Pending && may_be_in_transit(id, SystemTime::now()) => {
                return Err(Problem::new(Kind::Unavailable, TRY_AGAIN));
            }
            // The order's workflow was lost.
            (Signalled::NotRunning, Some(status)) => {
                tracing::warn!(order_id = %id, "order {id} is {status} but has no running workflow; one is started to cancel it");
                let resumed = workflows.resume_and_cancel(id, reason.clone()).await;
                resumed.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
                return Ok((StatusCode::ACCEPTED, Json(Requested { id, status })));
            }
        }
        before = open_status(read_model, caller, id).await?;
    }
}

/// Whether the order may still be on its way from the intake queue to Temporal. Its id contains the
/// time at which it was accepted.
fn may_be_in_transit(id: OrderId, now: SystemTime) -> bool {
    let accepted = id.uuid().get_timestamp().map_or((0, 0), |time| time.to_unix());
    let accepted = SystemTime::UNIX_EPOCH + Duration::new(accepted.0, accepted.1);
    now.duration_since(accepted).is_ok_and(|age| age < MAX_TRANSIT)
}

const TRY_AGAIN: &str = "The order cannot be cancelled right now; try again.";

/// Returns the status of the caller's order; `None` if the read model does not have the order.
///
/// # Errors
/// 404 if it is another customer's order; 409 if it can no longer be cancelled; 503 if the read
/// model does not answer.
async fn open_status(read_model: &ReadModel, caller: &Caller, id: OrderId) -> Result<Option<ReadStatus>, Problem> {
    let order = read_model.order(id).await?;
    caller.ensure_may_see(order.as_ref())?;
    match order.map(|order| order.status) {
        Some(status) if !status.may_be_cancelled() => {
            Err(Problem::new(Kind::OrderEnded, format!("The order is {status} and can no longer be cancelled.")))
        }
        status => Ok(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_may_be_in_transit_for_a_minute() {
        let id: OrderId = "ord_01930000000070008000000000000001".parse().unwrap();
        let accepted = SystemTime::UNIX_EPOCH + Duration::from_millis(0x0193_0000_0000);
        assert!(may_be_in_transit(id, accepted));
        assert!(may_be_in_transit(id, accepted + Duration::from_secs(59)));
        assert!(!may_be_in_transit(id, accepted + Duration::from_secs(61)));
    }
}
