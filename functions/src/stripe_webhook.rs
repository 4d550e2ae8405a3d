//! `POST /api/webhooks/stripe`: Stripe tells that something happened to a payment.
//!
//! What happened is not taken from the event, since events come late, twice and in any order: the workflow that is started here asks Stripe. Its id
//! is the event's, so an event that comes again starts nothing.

mod event;
mod secret;

use crate::{
    http::{JsonBody, Kind, Problem},
    workflows::Workflows,
};
use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::HeaderMap,
    response::IntoResponse,
    routing::post,
};
use event::Event;
pub use secret::{Settings, WebhookSecret};
use serde::Serialize;
use std::sync::Arc;

/// Stripe's header.
const SIGNATURE: &str = "stripe-signature";
const TRY_AGAIN: &str = "The event cannot be taken right now; send it again.";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<WebhookSecret>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route("/api/webhooks/stripe", post(stripe_webhook))
}

/// The event was taken, or is none of ours.
#[derive(Serialize)]
struct Received {
    received: bool,
}

async fn stripe_webhook(
    State(secret): State<Arc<WebhookSecret>>,
    State(workflows): State<Arc<Workflows>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    secret.verify(signature, &body).await?;
    let event: Event =
        serde_json::from_slice(&body).map_err(|_| Problem::new(Kind::MalformedRequest, "The body is no event of Stripe's."))?;
    if let Some(payment) = event.payment() {
        let id = event.workflow_id()?;
        workflows.reconcile(id, payment).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    }
    Ok(Json(Received { received: true }))
}
