//! `POST /api/orders/{id}/refunds`: starts giving back what was paid, whole or in part. For the shop's own people.
//!
//! What may be given back only Postgres knows, so the answer is that the refund was taken on; the order shows what came of it.

use crate::{
    http::{JsonBody, Kind, OrderPath, Problem},
    idempotency::{Claim, Idempotency, Key},
    identity::{Caller, Identity},
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
    Currency, OrderId, RefundId,
    refund::{RefundInput, RefundRequest},
};
use platform::read_model::{ReadModel, StoredOrder};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Idempotency>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
{
    Router::new().route("/api/orders/{id}/refunds", post(create_refund))
}

/// The refund was taken on.
#[derive(Serialize)]
struct Accepted {
    id: RefundId,
    #[serde(rename = "orderID")]
    order_id: OrderId,
    status: &'static str,
}

async fn create_refund(
    caller: Caller,
    State(idempotency): State<Arc<Idempotency>>,
    State(workflows): State<Arc<Workflows>>,
    State(read_model): State<Arc<ReadModel>>,
    OrderPath(order_id): OrderPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    caller.must_be_staff()?;
    let key = Key::of(&caller, &headers).map_err(|fault| Problem::invalid(vec![fault]))?;
    let order = read_model.order(order_id).await?.ok_or_else(Problem::no_such_order)?;
    let request = RefundRequest::parse(&body, paid_in(&order)?)?;
    let (mut id, mut requested_at) = (RefundId::new(Uuid::now_v7()), OffsetDateTime::now_utc());
    if let Some(key) = key {
        let claim = idempotency.claim(&key, &[order_id.to_string().as_bytes(), &body].concat(), id, requested_at).await;
        match claim.map_err(|error| Problem::unavailable(TRY_AGAIN, error))? {
            Claim::New => {}
            Claim::Replay { id: first, accepted_at } => (id, requested_at) = (first, accepted_at),
            Claim::OtherBody => {
                return Err(Problem::new(Kind::IdempotencyKeyReused, "Another request was made with this Idempotency-Key."));
            }
        }
    }
    let refund = RefundInput { id, order_id, request, requested_at };
    workflows.refund(refund).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    let location = [(header::LOCATION, format!("/api/orders/{order_id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(Accepted { id, order_id, status: "PENDING" })))
}

const TRY_AGAIN: &str = "The refund cannot be taken on right now; try again, with the same Idempotency-Key if there is one.";

/// The currency of an order that is paid.
fn paid_in(order: &StoredOrder) -> Result<Currency, Problem> {
    #[derive(Deserialize)]
    struct Order {
        currency: Currency,
        payment: Option<Payment>,
    }
    #[derive(Deserialize)]
    struct Payment {
        status: String,
    }
    let known: Order =
        serde_json::from_str(&order.json).map_err(|error| Problem::unavailable("The order cannot be read right now.", error))?;
    match known.payment {
        Some(payment) if ["CAPTURED", "PARTIALLY_REFUNDED"].contains(&payment.status.as_str()) => Ok(known.currency),
        Some(payment) if payment.status == "REFUNDED" => Err(Problem::new(Kind::NothingToRefund, "Everything has been given back.")),
        _ => Err(Problem::new(Kind::NothingToRefund, "The order is not paid.")),
    }
}
