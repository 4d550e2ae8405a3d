//! The intake queue's consumer as a Lambda function.

use functions::{lambda, parts, start_queued_orders::start_queued_orders};
use lambda_runtime::{LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let workflows = &parts::workflows(lambda::settings());
    run(service_fn(async |event: LambdaEvent<_>| Ok::<_, lambda::Error>(start_queued_orders(workflows, event.payload).await))).await
}
