//! `GET /api/operations` as a Lambda function.

use functions::{get_operations, lambda, parts};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings();
    lambda::serve(get_operations::route().with_state(parts::Overseeing::new(settings).await?)).await
}
