//! `POST /api/orders/{id}/refunds` as a Lambda function.

use functions::{lambda, order::create_refund, state::OrderActionState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(create_refund::route().with_state(OrderActionState::new(settings).await?)).await
}
