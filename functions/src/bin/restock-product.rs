//! `POST /api/products/{id}/restock` as a Lambda function.

use functions::{lambda, product::restock_product, state::RestockProductState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(restock_product::route().with_state(RestockProductState::new(settings).await?)).await
}
