//! `POST /api/orders/{id}/amend` as a Lambda function.

use functions::{lambda, order::amend_order, state::OrderActionState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(amend_order::route().with_state(OrderActionState::new(settings).await?)).await
}
