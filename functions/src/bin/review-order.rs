//! `POST /api/orders/{id}/review` as a Lambda function.

use functions::{lambda, order::review_order, state::OrderActionState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(review_order::route().with_state(OrderActionState::new(settings).await?)).await
}
