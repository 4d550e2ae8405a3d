//! `GET /api/operations` as a Lambda function.

use functions::{lambda, operation::get_operations, state::OperationsState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(get_operations::route().with_state(OperationsState::new(settings).await?)).await
}
