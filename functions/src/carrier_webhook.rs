//! `POST /api/webhooks/carrier`: a carrier says where a shipment is. The order's workflow is told, and has it recorded: once, however often and in
//! whatever order the carrier says it.

use crate::{
    http::{JsonBody, Problem, WebhookSecret},
    workflows::{Signalled, Workflows},
};
use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::HeaderMap,
    response::IntoResponse,
    routing::post,
};
use orders::shipping::Message;
use platform::read_model::ReadModel;
use serde::Serialize;
use std::{ops::Deref, sync::Arc};

const SIGNATURE: &str = "carrier-signature";
const TRY_AGAIN: &str = "The message cannot be taken right now; send it again.";

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

/// The message was taken, or changes nothing any more.
#[derive(Serialize)]
struct Received {
    received: bool,
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
    let order_id = scan.shipment_id.order_id;
    let signalled = workflows.scan(scan.clone()).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    if signalled == Signalled::NotRunning {
        let order = read_model.order(order_id).await?.ok_or_else(Problem::no_such_order)?;
        if !order.status.is_final() {
            // Its end has not reached the read model.
            return Err(Problem::unavailable(TRY_AGAIN, anyhow::anyhow!("{order_id} is {} and its workflow is not running", order.status)));
        }
        let (shipment, event, status) = (scan.shipment_id, scan.event.as_str(), order.status);
        tracing::info!(%order_id, carrier_message = id, "{order_id}: it is {status}, so {event} of {shipment} changes nothing");
    }
    Ok(Json(Received { received: true }))
}
