//! The intake queue's consumer as a Lambda function.

use functions::{intake::start_queued_orders::start_queued_orders, lambda, state::StartQueuedOrdersState};
use lambda_runtime::{LambdaEvent, run, service_fn};
use platform::trace;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let StartQueuedOrdersState { workflows, intake_queue } = &StartQueuedOrdersState::new(lambda::settings()?).await?;
    run(service_fn(async |event: LambdaEvent<_>| {
        let answer = start_queued_orders(workflows, intake_queue, event.payload).await;
        trace::flush().await;
        Ok::<_, lambda::Error>(answer)
    }))
    .await
}
