//! `POST /api/orders/{id}/cancel` as a Lambda function.

use functions::{lambda, order::cancel_order, state::OrderActionState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(cancel_order::route().with_state(OrderActionState::new(settings).await?)).await
}
