//! `POST /api/webhooks/carrier` as a Lambda function.

use functions::{carrier_webhook, lambda, state::CarrierWebhookState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings();
    lambda::serve(carrier_webhook::route().with_state(CarrierWebhookState::new(settings).await?)).await
}
