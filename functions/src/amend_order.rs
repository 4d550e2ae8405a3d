//! `POST /api/orders/{id}/amend`: the customer takes what there is of an order of which a part is out of stock.

use crate::{
    http::{JsonBody, OrderPath, Problem},
    idempotency::Idempotency,
    identity::{Caller, Identity},
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

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Idempotency>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route("/api/orders/{id}/amend", post(amend_order))
}

/// The decision was taken on; the order stood at `status`.
#[derive(Serialize)]
pub(crate) struct Decided {
    pub(crate) id: OrderId,
    pub(crate) status: OrderStatus,
}

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
    must_wait(&read_model, &caller, id, status).await?;
    idempotency.count_request("amend", id).await?;
    match workflows.amend(id).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))? {
        Signalled::Delivered => Ok((StatusCode::ACCEPTED, Json(Decided { id, status }))),
        Signalled::NotRunning => Err(Problem::decided()),
    }
}

pub(crate) const TRY_AGAIN: &str = "The decision cannot be taken on right now; try again.";

/// # Errors
/// A problem unless the order is one of the caller's and waits at this status.
pub(crate) async fn must_wait(read_model: &ReadModel, caller: &Caller, id: OrderId, status: OrderStatus) -> Result<(), Problem> {
    let order = read_model.order(id).await?;
    caller.must_own(order.as_ref())?;
    match order {
        None => Err(Problem::no_such_order()),
        Some(order) if order.status == status => Ok(()),
        Some(_) => Err(Problem::decided()),
    }
}
