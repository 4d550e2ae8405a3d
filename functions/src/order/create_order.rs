//! `POST /api/orders`: accepts an order.
//!
//! The answer 202 comes only after Temporal has started the order's workflow, or the intake queue
//! has the order. Every step may happen twice and has one effect: the workflow's id is the order's
//! id, and the read model stores version 0 only if it has no newer version.
//!
//! An order that contradicts the catalogue is refused, and its Idempotency-Key is not claimed, so
//! the corrected order may have the same key. If a client repeats an order that was accepted, it
//! gets that order, even if the catalogue has changed since.

use crate::{
    http::{JsonBody, Problem},
    idempotency::{Idempotency, Key},
    identity::{Caller, Identity},
    intake::intake_queue::IntakeQueue,
    product::catalogue::Catalogue,
    workflows::{self, Workflows},
};
use axum::{
    Extension, Json, Router,
    extract::{FromRef, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use orders::{OrderId, OrderInput, OrderView, json::FieldError, request::NewOrder};
use platform::{
    error::chain,
    read_model::ReadModel,
    trace::{self, OrderTrace},
};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

const PATH: &str = "/api/orders";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Catalogue>: FromRef<S>,
    Arc<Idempotency>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
    Arc<IntakeQueue>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
{
    Router::new().route(PATH, post(create_order))
}

/// The accepted order.
struct Accepted(OrderView);

/// Which service has received the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HandedTo {
    Temporal,
    IntakeQueue,
}

/// Place an order
///
/// Accepts an order for processing. Send an `Idempotency-Key` with every order: a retry with the
/// same key and the same body, byte for byte, returns the first order instead of placing another.
/// Keys are remembered for 24 hours. An order that contradicts the catalogue (unknown product,
/// other price, other currency) is refused.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = PATH,
        operation_id = "createOrder",
        tag = "orders",
        security(("token" = [])),
        params(crate::openapi::IdempotencyKey),
        request_body(
            content = orders::request::body::NewOrder,
            examples(
                ("one line" = (value = json!(crate::openapi::examples::new_order()))),
                ("everything" = (value = json!(crate::openapi::examples::full_new_order())))
            )
        ),
        responses(
            (
                status = 202,
                description = "The order is accepted and will be processed. `queued` means that it starts later, because Temporal is away or busy.",
                body = OrderView,
                headers(("Location")),
                examples(
                    ("accepted" = (value = json!(crate::openapi::examples::accepted(false)))),
                    ("queued" = (value = json!(crate::openapi::examples::accepted(true))))
                )
            ),
            crate::openapi::Unauthenticated,
            crate::openapi::Forbidden,
            JsonBody,
            crate::openapi::InvalidOrReused,
            crate::openapi::OrderUncertain
        )
    )
)]
#[expect(clippy::too_many_arguments, reason = "each is a part that the handler works with")]
async fn create_order(
    caller: Caller,
    State(catalogue): State<Arc<Catalogue>>,
    State(idempotency): State<Arc<Idempotency>>,
    State(workflows): State<Arc<Workflows>>,
    State(intake_queue): State<Arc<IntakeQueue>>,
    State(read_model): State<Arc<ReadModel>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Accepted, Problem> {
    let key = Key::from_headers(&caller, &headers).map_err(|fault| Problem::invalid(vec![fault]))?;
    let order = NewOrder::parse(&body)?;
    caller.ensure_acts_for(&order.customer_id)?;
    let checked = catalogue.check(&order).await;
    let order = order.into_input(OrderId::new(Uuid::now_v7()), OffsetDateTime::now_utc());
    let order = match (key, checked) {
        (None, Ok(())) => order,
        (None, Err(faults)) => return Err(Problem::invalid(faults)),
        (Some(key), Ok(())) => claim_order(&idempotency, &key, &body, order).await?,
        (Some(key), Err(faults)) => find_claimed_order(&idempotency, &key, &body, order, faults).await?,
    };
    trace::within(trace::accepted(order.id), accept(&workflows, &intake_queue, &read_model, order)).await
}

/// Hands the order over, and writes its first version to the read model.
async fn accept(workflows: &Workflows, intake_queue: &IntakeQueue, read_model: &ReadModel, order: OrderInput) -> Result<Accepted, Problem> {
    let handed_to = hand_over(workflows, intake_queue, &order).await?;
    let order = OrderView::accepted(&order, handed_to == HandedTo::IntakeQueue);
    if let Err(error) = read_model.put_order(&order, &OrderTrace::current()).await {
        // The worker will write the order to the read model, too.
        tracing::warn!(order_id = %order.id, cause = chain(&error), "order {} is accepted, but not yet in the read model", order.id);
    }
    Ok(Accepted(order))
}

/// Returns the order that the key stands for. If the key is new, that is `order`. Otherwise it is
/// the order of the first request with this key and body.
async fn claim_order(idempotency: &Idempotency, key: &Key, body: &[u8], order: OrderInput) -> Result<OrderInput, Problem> {
    let claim = idempotency.claim(key, body, order.id, order.accepted_at).await;
    let claim = claim.map_err(|error| Problem::unavailable(TRY_KEY_AGAIN, error))?;
    let (id, accepted_at) = claim.claimed_id(order.id, order.accepted_at)?;
    Ok(OrderInput { id, accepted_at, ..order })
}

/// Returns the order that the key already stands for.
///
/// # Errors
/// 422 with `faults` if the key stands for no order yet.
async fn find_claimed_order(
    idempotency: &Idempotency,
    key: &Key,
    body: &[u8],
    order: OrderInput,
    faults: Vec<FieldError>,
) -> Result<OrderInput, Problem> {
    let claim = idempotency.find_claim(key, body, order.accepted_at).await;
    let claim = claim.map_err(|error| Problem::unavailable(TRY_KEY_AGAIN, error))?.ok_or_else(|| Problem::invalid(faults))?;
    let (id, accepted_at) = claim.claimed_id(order.id, order.accepted_at)?;
    Ok(OrderInput { id, accepted_at, ..order })
}

const TRY_KEY_AGAIN: &str = "The Idempotency-Key cannot be checked right now; try again with the same key.";

/// Hands the order to Temporal, or to the intake queue if Temporal is away or busy.
async fn hand_over(workflows: &Workflows, intake_queue: &IntakeQueue, order: &OrderInput) -> Result<HandedTo, Problem> {
    let Err(away) = workflows.start_order_unless_busy(order.clone()).await else {
        return Ok(HandedTo::Temporal);
    };
    if !matches!(away, workflows::Error::CircuitOpen | workflows::Error::Busy) {
        tracing::warn!(order_id = %order.id, cause = chain(&away), "order {} goes to the intake queue", order.id);
    }
    match intake_queue.send(order).await {
        Ok(()) => Ok(HandedTo::IntakeQueue),
        // Temporal or the intake queue may have received the order although the answer was lost.
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
