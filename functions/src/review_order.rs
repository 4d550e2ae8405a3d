//! `POST /api/orders/{id}/review`: the shop approves or declines an order that waits for its word. For the shop's own people.

use crate::{
    amend_order::{Decided, TRY_AGAIN, must_wait},
    http::{JsonBody, OrderPath, Problem},
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
use orders::{OrderStatus, request, workflow::Review};
use platform::read_model::ReadModel;
use std::sync::Arc;

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route("/api/orders/{id}/review", post(review_order))
}

/// Who decided where nobody is asked who calls.
const ANYONE: &str = "anyone";

async fn review_order(
    caller: Caller,
    State(read_model): State<Arc<ReadModel>>,
    State(workflows): State<Arc<Workflows>>,
    OrderPath(id): OrderPath,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    caller.must_be_staff()?;
    let (approved, note) = request::parse_review(&body)?;
    let status = OrderStatus::InReview;
    must_wait(&read_model, &caller, id, status).await?;
    let review = Review { approved, by: caller.subject().unwrap_or(ANYONE).to_owned(), note };
    match workflows.review(id, review).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))? {
        Signalled::Delivered => Ok((StatusCode::ACCEPTED, Json(Decided { id, status }))),
        Signalled::NotRunning => Err(Problem::decided()),
    }
}
