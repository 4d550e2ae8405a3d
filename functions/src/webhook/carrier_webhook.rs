//! `POST /api/webhooks/carrier`: receives a tracking event from a carrier and passes it on to the
//! order's workflow. The workflow records it once, however often and in whatever order the carrier
//! sends its events.

use crate::{
    http::{JsonBody, Problem, WebhookSecret},
    shipment::scans,
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
    /// ARN of the secret that contains the carrier's webhookSecret. It replaces
    /// CARRIER_WEBHOOK_SECRET.
    #[arg(long, env = "CARRIER_SECRET_ARN")]
    pub carrier_secret_arn: Option<String>,
    /// The secret with which the carrier signs its messages. If neither setting is set, there is no
    /// webhook.
    #[arg(long, env = "CARRIER_WEBHOOK_SECRET", hide_env_values = true)]
    pub carrier_webhook_secret: Option<String>,
}

/// Verifies that a message comes from the carrier.
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

const PATH: &str = "/api/webhooks/carrier";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<CarrierSecret>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route(PATH, post(carrier_webhook))
}

/// Receive a carrier's tracking event
///
/// A carrier reports where a shipment is. A shipment only goes forward, and its first final status
/// stays: an event that comes late, twice or in another order changes nothing. If the answer is not
/// 200, send the message again, except after 400, 404 and 422, which are final.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = PATH,
        operation_id = "carrierWebhook",
        tag = "webhooks",
        params((
            "Carrier-Signature" = String,
            Header,
            description = "`t=SECONDS,v1=HEX`: the time in seconds since 1970, and the HMAC-SHA256, under the secret that both sides have, of the time, a dot and the body. Valid for five minutes.",
            example = json!("t=1795251600,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd")
        )),
        request_body(
            content = orders::request::body::CarrierMessage,
            examples(
                ("delivered" = (value = json!({
                    "id": "evt-1042",
                    "shipmentID": "ord_01a1fd8d2e5f7134954c66ad08d436e4-1",
                    "event": "DELIVERED",
                    "time": "2026-11-23T10:15:00Z"
                }))),
                ("lost" = (value = json!({
                    "id": "evt-1043",
                    "shipmentID": "ord_01a1fd8d2e5f7134954c66ad08d436e4-2",
                    "event": "LOST",
                    "time": "2026-11-23T10:15:00Z",
                    "reason": "it cannot be found"
                })))
            )
        ),
        responses(
            (
                status = 200,
                description = "The message was taken, or the order has ended and nothing changes any more.",
                body = scans::EventReceived,
                example = json!({ "received": true })
            ),
            crate::openapi::InvalidCarrierMessage,
            crate::openapi::CarrierNotFound,
            JsonBody,
            crate::openapi::Invalid,
            crate::openapi::Unavailable
        )
    )
)]
async fn carrier_webhook(
    State(secret): State<Arc<CarrierSecret>>,
    State(workflows): State<Arc<Workflows>>,
    State(read_model): State<Arc<ReadModel>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    secret.verify(&headers, &body).await?;
    let Message { id, scan } = Message::parse(&body)?;
    scans::signal_tracking_event(&workflows, &read_model, scan, &id).await
}
