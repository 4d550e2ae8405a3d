//! `POST /api/webhooks/stripe` as a Lambda function.

use functions::{lambda, state::StripeWebhookState, webhook::stripe_webhook};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(stripe_webhook::route().with_state(StripeWebhookState::new(settings).await?)).await
}
