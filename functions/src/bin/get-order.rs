//! `GET /api/orders/{id}` as a Lambda function.

use functions::{get_order, lambda, parts};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings();
    lambda::serve(get_order::route().with_state(parts::Reading::new(settings).await?)).await
}
