//! `POST /api/orders` as a Lambda function.

use functions::{lambda, order::create_order, state::CreateOrderState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(create_order::route().with_state(CreateOrderState::new(settings).await?)).await
}
