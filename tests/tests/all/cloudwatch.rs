//! Metrics in CloudWatch, and the container's health check.

use crate::support::{Draft, FAST, Load, Shop, until, with_own_stack};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// The metrics that were published last.
fn published(shop: &Shop) -> Option<Value> {
    let log = shop.log(shop.stack.workers[0].log());
    let last = log.lines().rev().find(|line| line.starts_with('{') && line.ends_with('}') && line.contains("_aws"))?;
    serde_json::from_str(last).ok()
}

async fn becomes(shop: &Shop, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    until(what, LIMIT, async || Ok(published(shop).filter(&is))).await.with_context(|| format!("last: {:?}", published(shop)))
}

async fn gauge(shop: &Shop, name: &str) -> Result<f64> {
    let port = shop.stack.settings().port("WORKER_PORT")?;
    let text = shop.http.get(format!("http://127.0.0.1:{port}/metrics")).send().await?.text().await?;
    let line = text
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
        .with_context(|| format!("no {name} in {text}"))?;
    Ok(line.rsplit(' ').next().context("no value")?.parse()?)
}

#[test]
fn a_backlog_is_published_while_it_lasts() {
    let few = [("WORKER_WORKFLOW_TASKS", "2"), ("STEP_LOCAL_LIMIT_MS", "3000"), ("METRICS_STACK", "test"), ("METRICS_PERIOD_S", "1")];
    with_own_stack(1, &few, async |shop| {
        let (product, load) = (shop.product(1_000, 1_000).await?, Load::default());
        let idle =
            becomes(shop, "everything is published", |line| line["StuckCompensations"] == 0 && line["TaskQueueBacklog"] == 0).await?;
        assert_eq!((&idle["Stack"], &idle["TaskQueueBacklogAge"], &idle["OrdersStuck"]), (&json!("test"), &json!(0), &json!(0)));
        let format = &idle["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&format["Namespace"], &format["Dimensions"]), (&json!("OrderFlow"), &json!([["Stack"]])));
        ensure!(idle["_aws"]["Timestamp"].as_u64().is_some_and(|ms| ms > 1_700_000_000_000), "{idle}");

        // The lock stops all writes to orders. The worker runs two tasks at a time, so these take
        // long and the others wait.
        let mut db = shop.db().await?;
        let locked = db.transaction().await?;
        locked.batch_execute("LOCK TABLE orders IN EXCLUSIVE MODE").await?;
        load.place(shop, 40, 8, |_| Draft::new("CUST-backlog").line(&product, 1)).await;
        let waiting = |line: &Value| line["TaskQueueBacklog"].as_u64() > Some(5) && line["TaskQueueBacklogAge"].as_u64() > Some(0);
        becomes(shop, "a backlog is published", waiting).await?;
        ensure!(gauge(shop, "orderflow_task_queue_backlog").await? > 0.0);
        locked.rollback().await?;
        load.ends(shop).await?;
        becomes(shop, "the backlog has gone", |line| line["TaskQueueBacklog"] == 0).await?;
        shop.audit_is_clean().await
    });
}

#[test]
fn a_stuck_compensation_is_published_and_named() {
    let soon = [&FAST[..], &[("AUDIT_STUCK_AFTER_S", "1"), ("METRICS_STACK", "test"), ("METRICS_PERIOD_S", "1")]].concat();
    with_own_stack(1, &soon, async |shop| {
        let (product, db) = (shop.product(1_000, 10).await?, shop.db().await?);
        db.batch_execute(
            "CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'reservations stay'; END $$;
            CREATE TRIGGER stay BEFORE UPDATE ON reservations FOR EACH ROW EXECUTE FUNCTION stay()",
        )
        .await?;
        let id = shop.place(&Draft::new("CUST-stuck").line(&product, 1).payment_method("tok_declined")).await?;
        becomes(shop, "it is published", |line| line["StuckCompensations"] == 1 && line["OrdersStuck"] == 1).await?;
        assert_eq!(gauge(shop, "orderflow_compensations_stuck").await?, 1.0);
        until("the audit names it", LIMIT, async || {
            let audit = shop.stack.run("worker", &["audit"]).await?;
            let printed = String::from_utf8_lossy(&audit.stdout);
            Ok(printed.lines().any(|line| line.contains(&id) && line.contains("in compensation for")).then_some(()))
        })
        .await?;
        db.batch_execute("DROP FUNCTION stay CASCADE").await?;
        shop.ends(&id, "FAILED").await?;
        becomes(shop, "it has gone", |line| line["StuckCompensations"] == 0 && line["OrdersStuck"] == 0).await?;
        shop.audit_is_clean().await
    });
}

#[test]
fn the_health_check_queries_the_local_worker() {
    with_own_stack(1, &FAST, async |shop| {
        let check = async |args: &[&str]| {
            let ended = shop.stack.run("worker", &[&["healthcheck"], args].concat()).await?;
            anyhow::Ok((ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned()))
        };
        for args in [&[][..], &["--ready"], &["--worker-host", "0.0.0.0"]] {
            assert_eq!(check(args).await?, (Some(0), String::new()));
        }
        shop.stack.postgres.stop().await?;
        let (code, printed) = check(&["--ready"]).await?;
        ensure!(code == Some(1) && printed.contains("\"postgres\":\"down\""), "{printed}");
        assert_eq!(check(&[]).await?.0, Some(0));
        shop.stack.workers[0].stop().await?;
        let (code, printed) = check(&[]).await?;
        ensure!(code == Some(1) && printed.lines().count() == 1, "{printed}");
        Ok(())
    });
}
