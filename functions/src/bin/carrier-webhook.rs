//! `POST /api/webhooks/carrier` as a Lambda function.

use functions::{lambda, state::CarrierWebhookState, webhook::carrier_webhook};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(carrier_webhook::route().with_state(CarrierWebhookState::new(settings).await?)).await
}
