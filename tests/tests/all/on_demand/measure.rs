//! Measures the latency and the billed time of the worker on demand beside a worker that runs all
//! the time. It asserts nothing, so it runs only by hand: `cargo test --workspace --test all --
//! --ignored --nocapture on_demand::measure`.

use super::{OnDemand, QUEUE, place};
use crate::support::{Product, Shop, with_own_stack};
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const PAUSE: Duration = Duration::from_millis(20);
const REPEATS: usize = 5;

/// The time from the POST to COMPLETED in the read model.
async fn until_completed(shop: &Shop, product: &Product) -> Result<Duration> {
    let begun = Instant::now();
    let order = place(shop, product).await?;
    while shop.order(&order).await?["status"] != "COMPLETED" {
        sleep(PAUSE).await;
    }
    Ok(begun.elapsed())
}

/// As above, with the function as Lambda runs it: the queue is polled all the time. Also returns how
/// long the invocation took.
async fn on_demand(worker: &mut OnDemand<'_>, product: &Product) -> Result<(Duration, Duration)> {
    let shop = worker.shop;
    let invocation = async {
        loop {
            let (count, took) = worker.serve().await?;
            if count > 0 {
                return anyhow::Ok(took);
            }
        }
    };
    let (latency, took) = tokio::join!(until_completed(shop, product), invocation);
    Ok((latency?, took?))
}

fn median(mut values: Vec<Duration>) -> u128 {
    values.sort();
    values[values.len() / 2].as_millis()
}

#[test]
#[ignore = "it measures and asserts nothing"]
fn latency_and_billed_time() {
    with_own_stack(1, &[("WORKER_WAKEUP_QUEUE_URL", QUEUE)], async |shop| {
        let product = shop.product(1_000, 10_000).await?;
        let mut running = Vec::new();
        until_completed(shop, &product).await?;
        for _ in 0..REPEATS {
            running.push(until_completed(shop, &product).await?);
        }
        println!("POST to COMPLETED, running worker: {} ms", median(running));
        shop.stack.workers[0].stop().await?;

        let (mut cold, mut warm, mut billed, mut idle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..REPEATS {
            let mut worker = OnDemand::start(shop).await?;
            // The wake-ups of the orders before.
            worker.serve_all().await?;
            drop(worker);
            let begun = Instant::now();
            let order = place(shop, &product).await?;
            let mut worker = OnDemand::start(shop).await?;
            let completed = async {
                while shop.order(&order).await?["status"] != "COMPLETED" {
                    sleep(PAUSE).await;
                }
                anyhow::Ok(begun.elapsed())
            };
            let (served, completed) = tokio::join!(worker.serve(), completed);
            served?;
            cold.push(completed?);
            let (latency, took) = on_demand(&mut worker, &product).await?;
            warm.push(latency);
            billed.push(took);
            worker.serve_schedule().await?;
            idle.push(worker.serve_schedule().await?);
        }
        println!("POST to COMPLETED, on demand, new process: {} ms", median(cold));
        println!("POST to COMPLETED, on demand, process of an earlier invocation: {} ms", median(warm));
        println!("invocation for one order, idle time included: {} ms", median(billed));
        println!("invocation by the schedule, nothing to do: {} ms", median(idle));

        let mut worker = OnDemand::start(shop).await?;
        worker.serve_all().await?;
        let mut orders = Vec::new();
        for _ in 0..50 {
            orders.push(place(shop, &product).await?);
        }
        let mut total = Duration::ZERO;
        loop {
            let (count, took) = worker.serve().await?;
            if count == 0 {
                break;
            }
            total += took;
        }
        for order in &orders {
            shop.ends(order, "COMPLETED").await?;
        }
        println!("invocations for 50 orders at once, idle time included: {} ms", total.as_millis());
        Ok(())
    });
}
