//! `GET /api/orders` as a Lambda function.

use functions::{lambda, order::list_orders, state::ReadOrdersState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(list_orders::route().with_state(ReadOrdersState::new(settings).await?)).await
}
