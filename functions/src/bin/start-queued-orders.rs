//! The intake queue's consumer as a Lambda function.

use functions::{
    lambda,
    parts::{Starting, StartingSettings},
    start_queued_orders::start_queued_orders,
};
use lambda_runtime::{LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let Starting { workflows, intake_queue } = &Starting::new(lambda::settings::<StartingSettings>()).await;
    run(service_fn(async |event: LambdaEvent<_>| Ok::<_, lambda::Error>(start_queued_orders(workflows, intake_queue, event.payload).await)))
        .await
}
