//! `POST /api/webhooks/carrier` as a Lambda function.

use functions::{carrier_webhook, lambda, parts};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings();
    lambda::serve(carrier_webhook::route().with_state(parts::Following::new(settings).await)).await
}
