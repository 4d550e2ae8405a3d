//! `POST /api/webhooks/stripe`: Stripe reports that something happened to a payment.
//!
//! Stripe's events may be late, repeated and out of order, so the payment's status is not taken
//! from the event. Instead, this call starts a workflow, which asks Stripe. The workflow's id
//! contains the event's id, so a repeated event starts nothing.

mod event;

use crate::{
    http::{JsonBody, Kind, Problem, WebhookSecret},
    shipment::scans::EventReceived,
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
use std::{ops::Deref, sync::Arc};

/// The header in which Stripe sends its signature.
const SIGNATURE: &str = "stripe-signature";
const TRY_AGAIN: &str = "The event cannot be accepted right now; send it again.";

#[derive(clap::Args, Clone)]
#[group(id = "stripe")]
pub struct Settings {
    /// ARN of the secret that contains Stripe's secretKey and webhookSecret. It replaces
    /// STRIPE_WEBHOOK_SECRET.
    #[arg(long, env = "STRIPE_SECRET_ARN")]
    pub stripe_secret_arn: Option<String>,
    /// The secret with which Stripe signs its events. If neither setting is set, there is no
    /// webhook.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET", hide_env_values = true)]
    pub stripe_webhook_secret: Option<String>,
}

/// Verifies that an event comes from Stripe.
pub struct StripeSecret(WebhookSecret);

impl StripeSecret {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let arn = ("STRIPE_SECRET_ARN", settings.stripe_secret_arn);
        Self(WebhookSecret::new(SIGNATURE, arn, settings.stripe_webhook_secret))
    }
}

impl Deref for StripeSecret {
    type Target = WebhookSecret;

    fn deref(&self) -> &WebhookSecret {
        &self.0
    }
}

const PATH: &str = "/api/webhooks/stripe";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<StripeSecret>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route(PATH, post(stripe_webhook))
}

/// Receive an event of Stripe
///
/// Stripe reports that something happened to a payment. The payment's status is then read from
/// Stripe. A repeated event changes nothing. Events of other types, and of payments that belong to
/// no order, are accepted and ignored.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = PATH,
        operation_id = "stripeWebhook",
        tag = "webhooks",
        params((
            "Stripe-Signature" = String,
            Header,
            description = "Time and HMAC-SHA256 of time and body, as Stripe documents it; valid for five minutes.",
            example = json!("t=1795251600,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd")
        )),
        request_body(
            content = Event,
            example = json!({
                "id": "evt_3MoKIYLkdIwHu7ix0pyJlJZf",
                "object": "event",
                "type": "payment_intent.canceled",
                "data": {
                    "object": {
                        "id": "pi_3MoKIYLkdIwHu7ix0fnJlJZf",
                        "object": "payment_intent",
                        "status": "canceled",
                        "metadata": { "order_id": crate::openapi::examples::ORDER_ID }
                    }
                }
            })
        ),
        responses(
            (
                status = 200,
                description = "The event was taken, or does not concern an order.",
                body = EventReceived,
                example = json!({ "received": true })
            ),
            crate::openapi::InvalidStripeEvent,
            crate::openapi::StripeNotFound,
            JsonBody,
            crate::openapi::Unavailable
        )
    )
)]
async fn stripe_webhook(
    State(secret): State<Arc<StripeSecret>>,
    State(workflows): State<Arc<Workflows>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    secret.verify(&headers, &body).await?;
    let event: Event =
        serde_json::from_slice(&body).map_err(|_| Problem::new(Kind::MalformedRequest, "The body is no event of Stripe's."))?;
    if let Some(payment) = event.payment() {
        let id = event.workflow_id()?;
        workflows.start_reconciliation(id, payment).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    }
    Ok(Json(EventReceived { received: true }))
}
