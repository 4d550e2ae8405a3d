//! `POST /api/orders/{id}/refunds`: starts giving back what was paid, whole or in part. For the shop's admins.
//!
//! What may be given back only Postgres knows, so the answer is that the refund was taken on; the order shows what came of it.

use crate::{
    http::{JsonBody, Kind, OrderPath, Problem},
    idempotency::{Idempotency, required_key},
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
    caller.must_be_admin()?;
    let key = required_key(&caller, &headers)?;
    let order = read_model.order(order_id).await?.ok_or_else(Problem::no_such_order)?;
    let payment = PaymentOf::read(&order)?;
    let request = RefundRequest::parse(&body, payment.currency)?;
    let asked = [order_id.to_string().as_bytes(), &body].concat();
    let (id, requested_at) = (RefundId::new(Uuid::now_v7()), OffsetDateTime::now_utc());
    let claim = match payment.cannot_be_refunded() {
        None => idempotency.claim(&key, &asked, id, requested_at).await.map(Some),
        // A repeated request was taken on when there was something to give back.
        Some(_) => idempotency.known(&key, &asked, requested_at).await,
    };
    let claim = claim.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    let claim = claim.ok_or_else(|| Problem::new(Kind::NothingToRefund, payment.cannot_be_refunded().unwrap_or_default()))?;
    let (id, requested_at) = claim.settle(id, requested_at)?;
    let refund = RefundInput { id, order_id, request, requested_at };
    workflows.refund(refund).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    let location = [(header::LOCATION, format!("/api/orders/{order_id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(Accepted { id, order_id, status: "PENDING" })))
}

const TRY_AGAIN: &str = "The refund cannot be taken on right now; try again, with the same Idempotency-Key.";

/// What the read model has of an order's payment.
#[derive(Deserialize)]
struct PaymentOf {
    currency: Currency,
    payment: Option<Payment>,
}

#[derive(Deserialize)]
struct Payment {
    status: String,
}

impl PaymentOf {
    fn read(order: &StoredOrder) -> Result<Self, Problem> {
        serde_json::from_str(&order.json).map_err(|error| Problem::unavailable("The order cannot be read right now.", error))
    }

    /// Why nothing can be given back, if that is so.
    fn cannot_be_refunded(&self) -> Option<&'static str> {
        match self.payment.as_ref().map(|payment| payment.status.as_str()) {
            Some("CAPTURED" | "PARTIALLY_REFUNDED") => None,
            Some("REFUNDED") => Some("Everything has been given back."),
            _ => Some("The order is not paid."),
        }
    }
}
