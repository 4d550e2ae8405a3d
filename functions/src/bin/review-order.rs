//! `POST /api/orders/{id}/review` as a Lambda function.

use functions::{lambda, parts, review_order};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings();
    lambda::serve(review_order::route().with_state(parts::Refunding::new(settings).await?)).await
}
