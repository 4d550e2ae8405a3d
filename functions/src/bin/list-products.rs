//! `GET /api/products` as a Lambda function.

use functions::{lambda, product::list_products, state::ListProductsState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(list_products::route().with_state(ListProductsState::new(settings).await?)).await
}
