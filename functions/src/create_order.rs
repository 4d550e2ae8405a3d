//! `POST /api/orders`: accepts an order.
//!
//! Nothing is acknowledged before Temporal has the order's workflow or the intake queue has the order. Everything that may happen twice has one
//! effect: the workflow's id is the order's id, and the read model takes version 0 only where there is nothing newer.

use crate::{
    http::{JsonBody, Problem},
    idempotency::{Idempotency, Key},
    identity::{Caller, Identity},
    intake_queue::IntakeQueue,
    workflows::{self, Workflows},
};
use axum::{
    Extension, Json, Router,
    extract::{FromRef, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use orders::{OrderId, OrderInput, OrderView, request::NewOrder};
use platform::read_model::ReadModel;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Idempotency>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
    Arc<IntakeQueue>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
{
    Router::new().route("/api/orders", post(create_order))
}

/// The order as accepted.
struct Accepted(OrderView);

/// Who has taken the order on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    ByTemporal,
    ByIntakeQueue,
}

async fn create_order(
    caller: Caller,
    State(idempotency): State<Arc<Idempotency>>,
    State(workflows): State<Arc<Workflows>>,
    State(intake_queue): State<Arc<IntakeQueue>>,
    State(read_model): State<Arc<ReadModel>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Accepted, Problem> {
    let key = Key::of(&caller, &headers).map_err(|fault| Problem::invalid(vec![fault]))?;
    let order = NewOrder::parse(&body)?;
    caller.must_be(&order.customer_id)?;
    let mut order = order.into_input(OrderId::new(Uuid::now_v7()), OffsetDateTime::now_utc());
    if let Some(key) = key {
        order = under_key(&idempotency, &key, &body, order).await?;
    }
    let taken = take(&workflows, &intake_queue, &order).await?;
    let order = OrderView::accepted(&order, taken == Taken::ByIntakeQueue);
    if let Err(error) = read_model.put_order(&order).await {
        // The worker puts it there too.
        tracing::warn!(order_id = %order.id, cause = %error, "order {} is accepted, but not yet in the read model", order.id);
    }
    Ok(Accepted(order))
}

/// The order that the key stands for: this one if the key is new, else the one that the first request made of the same body.
async fn under_key(idempotency: &Idempotency, key: &Key, body: &[u8], order: OrderInput) -> Result<OrderInput, Problem> {
    let claim = idempotency.claim(key, body, order.id, order.accepted_at).await;
    let claim = claim
        .map_err(|error| Problem::unavailable("The Idempotency-Key cannot be checked right now; try again with the same key.", error))?;
    let (id, accepted_at) = claim.settle(order.id, order.accepted_at)?;
    Ok(OrderInput { id, accepted_at, ..order })
}

/// Hands the order to Temporal, or else to the intake queue: when Temporal is away, and when it has its hands full.
async fn take(workflows: &Workflows, intake_queue: &IntakeQueue, order: &OrderInput) -> Result<Taken, Problem> {
    let Err(away) = workflows.start_unless_busy(order.clone()).await else {
        return Ok(Taken::ByTemporal);
    };
    if !matches!(away, workflows::Error::Resting | workflows::Error::Busy) {
        tracing::warn!(order_id = %order.id, cause = away.chain(), "order {} goes to the intake queue", order.id);
    }
    match intake_queue.send(order).await {
        Ok(()) => Ok(Taken::ByIntakeQueue),
        // Either may have taken it, and only its answer be lost.
        Err(error) => Err(Problem::unavailable(
            "It is not certain that the order was accepted; try again, with the same Idempotency-Key if there is one.",
            error,
        )),
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let id = self.0.id;
        (StatusCode::ACCEPTED, [(header::LOCATION, format!("/api/orders/{id}"))], Extension(id), Json(self.0)).into_response()
    }
}
