//! The load: posts a number of orders, several at the same time, and waits until all have finished.

use crate::{
    report::{Figure, Figures},
    subject::{Product, Subject},
    usage::Usage,
};
use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use reqwest::{Client, header::CONTENT_TYPE};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{
    cell::Cell,
    time::{Duration, Instant, SystemTime},
};
use tokio::time::sleep;

/// The number of customers. Each order takes the next customer.
const CUSTOMERS: usize = 500;
/// The maximum time for one POST.
const ANSWER: Duration = Duration::from_secs(60);
/// The interval between two queries for the number of finished orders.
const PAUSE: Duration = Duration::from_millis(100);
/// The run fails if no order finishes for this long.
const STALL: Duration = Duration::from_secs(60);

#[derive(Serialize)]
struct Order<'a> {
    #[serde(rename = "customerID")]
    customer: String,
    #[serde(rename = "totalAmount")]
    total: &'a RawValue,
    items: [Line<'a>; 1],
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    product: &'a Product,
    quantity: u32,
}

/// Posts `orders` orders, at most `at_once` at the same time, and waits until they have finished.
pub(crate) async fn run(subject: &Subject, orders: usize, at_once: usize) -> Result<Figures> {
    let finished_before = subject.finished().await?;
    let (before, own_before) = (usages(subject), Usage::own());
    let begun = Instant::now();
    let mut latencies_ms = post(subject, orders, at_once).await?;
    let posted = begun.elapsed();
    until_finished(subject, finished_before + orders as u64).await?;
    let finished = begun.elapsed();
    until_settled(subject).await?;
    let (after, own_after) = (usages(subject), Usage::own());

    latencies_ms.sort_by(f64::total_cmp);
    let count = orders as f64;
    let mut figures = Figures::from([
        (Figure::FinishedPerS, count / finished.as_secs_f64()),
        (Figure::AcceptedPerS, count / posted.as_secs_f64()),
        (Figure::PostP50Ms, quantile(&latencies_ms, 50)),
        (Figure::PostP99Ms, quantile(&latencies_ms, 99)),
        (Figure::LoadCpuMs, (own_after.cpu_ms - own_before.cpu_ms) / count),
    ]);
    let mut all_cpu_ms = 0.0;
    for ((&(name, _), before), after) in subject.processes.iter().zip(before).zip(after) {
        let cpu_ms = (after.cpu_ms - before.cpu_ms) / count;
        all_cpu_ms += cpu_ms;
        figures.insert(Figure::CpuMs(name), cpu_ms);
        figures.insert(Figure::RssMib(name), after.rss_mib);
    }
    figures.insert(Figure::AllCpuMs, all_cpu_ms);
    Ok(figures)
}

fn usages(subject: &Subject) -> Vec<Usage> {
    subject.processes.iter().map(|&(_, pid)| Usage::tree(pid)).collect()
}

/// Posts the orders over kept connections. Returns the duration of each POST in milliseconds.
async fn post(subject: &Subject, orders: usize, at_once: usize) -> Result<Vec<f64>> {
    let http = Client::builder().no_proxy().timeout(ANSWER).pool_max_idle_per_host(at_once).build()?;
    let run = SystemTime::UNIX_EPOCH.elapsed()?.as_nanos();
    let next = Cell::new(0);
    let customers = (0..at_once).map(|_| async {
        let mut latencies_ms = Vec::with_capacity(orders / at_once + 1);
        while next.get() < orders {
            let number = next.replace(next.get() + 1);
            latencies_ms.push(post_one(&http, subject, number, run).await?);
        }
        Ok::<_, anyhow::Error>(latencies_ms)
    });
    Ok(try_join_all(customers).await?.concat())
}

async fn post_one(http: &Client, subject: &Subject, number: usize, run: u128) -> Result<f64> {
    let product = subject.catalogue.get(number % subject.catalogue.len().max(1)).context("the catalogue is empty")?;
    let customer = format!("CUST-{:03}", number % CUSTOMERS);
    let body = serde_json::to_vec(&Order { customer, total: &product.price, items: [Line { product, quantity: 1 }] })?;
    let request = http
        .post(&subject.orders)
        .header(CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", format!("bench-{run}-{number}"))
        .body(body);
    let begun = Instant::now();
    let response = request.send().await.context("an order cannot be posted")?;
    let status = response.status();
    let answer = response.bytes().await?;
    if !status.is_success() {
        bail!("an order was answered {status}: {}", String::from_utf8_lossy(&answer));
    }
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

async fn until_finished(subject: &Subject, wanted: u64) -> Result<()> {
    let (mut seen, mut moved) = (0, Instant::now());
    loop {
        let finished = subject.finished().await?;
        if finished >= wanted {
            return Ok(());
        }
        if finished > seen {
            (seen, moved) = (finished, Instant::now());
        }
        if moved.elapsed() > STALL {
            bail!("{} orders of {} have not finished, and none has finished for {} s", wanted - finished, subject.name, STALL.as_secs());
        }
        sleep(PAUSE).await;
    }
}

async fn until_settled(subject: &Subject) -> Result<()> {
    let begun = Instant::now();
    while !subject.settled().await? {
        if begun.elapsed() > STALL {
            bail!("the orders of {} have finished, but work for them is left after {} s", subject.name, STALL.as_secs());
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// A percentile of sorted values: `percent` percent of the values lie below it. NaN if there are no
/// values.
fn quantile(sorted: &[f64], percent: usize) -> f64 {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_posted_as_it_was_read() {
        let product: Product = serde_json::from_str(r#"{"productID":"PROD-001","name":"x","unitPrice":1299.90}"#).unwrap();
        let order = Order { customer: "CUST-001".into(), total: &product.price, items: [Line { product: &product, quantity: 1 }] };
        let expected =
            r#"{"customerID":"CUST-001","totalAmount":1299.90,"items":[{"productID":"PROD-001","unitPrice":1299.90,"quantity":1}]}"#;
        assert_eq!(serde_json::to_string(&order).unwrap(), expected);
    }

    #[test]
    fn quantiles_of_few_values_are_among_them() {
        let close = |percent, value: f64| (quantile(&[1.0, 2.0, 3.0], percent) - value).abs() < f64::EPSILON;
        assert!(close(50, 2.0) && close(99, 3.0) && close(0, 1.0));
        assert!(quantile(&[], 50).is_nan());
    }
}
