//! `GET /api/operations/history` as a Lambda function.

use functions::{lambda, operation::get_operations_history, state::ReadOrdersState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(get_operations_history::route().with_state(ReadOrdersState::new(settings).await?)).await
}
