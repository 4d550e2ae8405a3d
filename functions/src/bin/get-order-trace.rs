//! `GET /api/orders/{id}/trace` as a Lambda function.

use functions::{lambda, order::get_order_trace, state::OrderTraceState};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let settings = lambda::settings()?;
    lambda::serve(get_order_trace::route().with_state(OrderTraceState::new(settings).await?)).await
}
