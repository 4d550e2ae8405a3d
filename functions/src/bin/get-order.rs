//! `GET /api/orders/{id}` as a Lambda function.

use functions::{lambda, order::get_order, state::ReadOrdersState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(get_order::route().with_state(ReadOrdersState::new(settings).await?)).await
}
