//! `POST /api/webhooks/carrier`: a carrier says where a shipment is. The order's workflow is told, and has it recorded: once, however often and in
//! whatever order the carrier says it.

use crate::{
    http::{JsonBody, Problem, WebhookSecret},
    scans,
    workflows::Workflows,
};
use axum::{
    Router,
    extract::{FromRef, State},
    http::HeaderMap,
    response::IntoResponse,
    routing::post,
};
use orders::shipping::Message;
use platform::read_model::ReadModel;
use std::{ops::Deref, sync::Arc};

const SIGNATURE: &str = "carrier-signature";

#[derive(clap::Args, Clone)]
#[group(id = "carrier")]
pub struct Settings {
    /// ARN of the secret with the carrier's webhookSecret; used instead of the secret below.
    #[arg(long, env = "CARRIER_SECRET_ARN")]
    pub carrier_secret_arn: Option<String>,
    /// The secret with which the carrier signs its messages. Neither set: there is no webhook.
    #[arg(long, env = "CARRIER_WEBHOOK_SECRET", hide_env_values = true)]
    pub carrier_webhook_secret: Option<String>,
}

/// Tells the carrier's messages from others'.
pub struct CarrierSecret(WebhookSecret);

impl CarrierSecret {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let arn = ("CARRIER_SECRET_ARN", settings.carrier_secret_arn);
        Self(WebhookSecret::new(SIGNATURE, arn, settings.carrier_webhook_secret))
    }
}

impl Deref for CarrierSecret {
    type Target = WebhookSecret;

    fn deref(&self) -> &WebhookSecret {
        &self.0
    }
}

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<CarrierSecret>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route("/api/webhooks/carrier", post(carrier_webhook))
}

async fn carrier_webhook(
    State(secret): State<Arc<CarrierSecret>>,
    State(workflows): State<Arc<Workflows>>,
    State(read_model): State<Arc<ReadModel>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    secret.verify(&headers, &body).await?;
    let Message { id, scan } = Message::parse(&body)?;
    scans::pass_on(&workflows, &read_model, scan, &id).await
}
