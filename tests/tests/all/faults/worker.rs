//! Workers that die, stop and work side by side.

use super::mixed_order;
use crate::support::{Draft, FAST, LOADED, Load, Shop, until, with_own_stack};
use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use reqwest::StatusCode;
use std::time::{Duration, Instant};
use tokio::{process::Command, try_join};

#[test]
fn a_worker_killed_five_times_loses_no_order() {
    with_own_stack(1, &LOADED, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let (load, worker) = (Load::default(), &shop.stack.workers[0]);
        let placing = async {
            load.place(shop, 300, 8, |n| mixed_order(&product, n)).await;
            anyhow::Ok(())
        };
        let killing = async {
            for kill in 1..=5 {
                load.reaches(50 * kill).await?;
                worker.kill().await?;
                worker.start().await?;
            }
            Ok(())
        };
        try_join!(placing, killing)?;
        ensure!(load.accepted().len() == 300, "only {} orders were accepted while only a worker was away", load.accepted().len());
        load.ends(shop).await?;
        shop.audit_is_clean().await
    });
}

#[test]
fn a_stopped_worker_finishes_its_work_and_exits_with_0() {
    with_own_stack(1, &LOADED, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let (load, worker) = (Load::default(), &shop.stack.workers[0]);
        let placing = async {
            load.place(shop, 100, 8, |n| mixed_order(&product, n)).await;
            anyhow::Ok(())
        };
        let stopping = async {
            load.reaches(40).await?;
            worker.stop().await
        };
        let ((), status) = try_join!(placing, stopping)?;
        let status = status.context("it did not run")?;
        ensure!(status.success(), "it ended with {status}: {}", shop.log(worker.log()));
        worker.start().await?;
        load.ends(shop).await?;
        shop.audit_is_clean().await
    });
}

/// A worker must end within its drain, because it may be killed after that time. A frozen Temporal
/// does not answer a poll, and the SDK waits half a minute for the answer.
#[test]
fn a_stopped_worker_ends_in_time_while_temporal_is_frozen() {
    const DRAIN: Duration = Duration::from_secs(2);
    with_own_stack(3, &[&FAST[..], &[("WORKER_DRAIN_S", "2")]].concat(), async |shop| {
        shop.stack.temporal.pause();
        let stopped = ["TERM", "HUP", "INT"].iter().zip(&shop.stack.workers).map(async |(signal, worker)| {
            let pid = worker.pid().context("it does not run")?.to_string();
            ensure!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().await?.success());
            let began = Instant::now();
            let status = worker.ended().await?.context("it does not run")?;
            // The test checks four times a second whether the worker has ended.
            let took = began.elapsed().saturating_sub(Duration::from_millis(250));
            ensure!(took <= DRAIN + Duration::from_secs(1), "{signal}: {took:?}");
            ensure!(status.success(), "{signal}: {status}: {}", shop.log(worker.log()));
            anyhow::Ok(())
        });
        try_join_all(stopped).await?;
        let api = shop.stack.api.pid().context("it does not run")?.to_string();
        ensure!(Command::new("kill").args(["-HUP", &api]).status().await?.success());
        let began = Instant::now();
        let status = shop.stack.api.ended().await?.context("it does not run")?;
        ensure!(status.success() && began.elapsed() < Duration::from_secs(12), "{status} after {:?}", began.elapsed());
        shop.stack.temporal.resume();
        Ok(())
    });
}

#[test]
fn two_workers_share_the_work_and_replace_each_other() {
    with_own_stack(2, &LOADED, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let load = Load::default();
        load.place(shop, 60, 8, |n| mixed_order(&product, n)).await;
        load.ends(shop).await?;
        let [one, other] = &shop.stack.workers[..] else { anyhow::bail!("not two workers") };
        for worker in [one, other] {
            ensure!(shop.log(worker.log()).contains("→ COMPLETED"), "{} has done nothing", worker.name());
        }
        let placing = async {
            load.place(shop, 60, 8, |n| mixed_order(&product, n)).await;
            anyhow::Ok(())
        };
        let killing = async {
            load.reaches(80).await?;
            one.kill().await
        };
        try_join!(placing, killing)?;
        ensure!(load.accepted().len() == 120);
        load.ends(shop).await?;
        shop.audit_is_clean().await
    });
}

/// The value of a metric with these labels; 0 if it does not exist.
fn metric(text: &str, name: &str, labels: &[&str]) -> f64 {
    let line = text.lines().find(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
    line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).unwrap_or_default()
}

async fn probe(shop: &Shop, path: &str) -> Result<(StatusCode, String)> {
    let port = shop.stack.settings().port("WORKER_PORT")?;
    let response = shop.http.get(format!("http://127.0.0.1:{port}{path}")).send().await?;
    Ok((response.status(), response.text().await?))
}

async fn becomes(shop: &Shop, path: &str, status: StatusCode) -> Result<()> {
    until(&format!("{path} answers {status}"), Duration::from_secs(30), async || Ok((probe(shop, path).await?.0 == status).then_some(())))
        .await
}

#[test]
fn worker_health_and_metrics_show_its_state() {
    with_own_stack(1, &LOADED, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        for (method, end, count) in [("tok_visa", "COMPLETED", 3), ("tok_declined", "FAILED", 2)] {
            for _ in 0..count {
                shop.ends(&shop.place(&Draft::new("CUST-metrics").line(&product, 1).payment_method(method)).await?, end).await?;
            }
        }
        let (status, metrics) = probe(shop, "/metrics").await?;
        assert_eq!(status, StatusCode::OK);
        let ended = |label| metric(&metrics, "orderflow_orders_ended_total", &[label]);
        assert_eq!((ended("status=\"COMPLETED\""), ended("status=\"FAILED\"")), (3.0, 2.0), "{metrics}");
        let durations = metric(&metrics, "orderflow_order_status_duration_seconds_count", &["COMPLETED"]);
        ensure!(durations >= 3.0, "{metrics}");
        ensure!(metrics.contains("temporal_"), "the SDK's own metrics are not there: {metrics}");

        assert_eq!(probe(shop, "/health/live").await?.0, StatusCode::OK);
        assert_eq!(probe(shop, "/health/ready").await?.0, StatusCode::OK);
        let read_from = [("postgres", "orderflow_orders_open"), ("temporal", "orderflow_task_queue_backlog")];
        for (server, (dependency, gauge)) in [shop.stack.services()[0].clone(), shop.stack.services()[1].clone()].into_iter().zip(read_from)
        {
            server.stop().await?;
            becomes(shop, "/health/ready", StatusCode::SERVICE_UNAVAILABLE).await?;
            assert_eq!(probe(shop, "/health/live").await?.0, StatusCode::OK);
            // What cannot be read is absent. It does not keep its last value.
            let (status, text) = probe(shop, "/metrics").await?;
            assert_eq!(status, StatusCode::OK);
            let down = format!("orderflow_dependency_up{{dependency=\"{dependency}\"}} 0.0");
            ensure!(metrics.contains(gauge) && !text.contains(gauge) && text.contains(&down), "{text}");
            server.start().await?;
            becomes(shop, "/health/ready", StatusCode::OK).await?;
        }
        shop.ends(&shop.place(&Draft::new("CUST-metrics").line(&product, 1)).await?, "COMPLETED").await?;
        shop.audit_is_clean().await
    });
}
