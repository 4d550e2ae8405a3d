//! `GET /api/health`, `GET /api/health/live` and `GET /api/openapi.json` as a Lambda function.

use functions::{lambda, openapi, operation::health, state::HealthState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    let routes = health::route().merge(openapi::route());
    lambda::serve(routes.with_state(HealthState::new(settings).await?)).await
}
