//! Postgres is unreachable: orders are accepted and can be read. They continue when it is back.

use super::mixed_order;
use crate::support::{Draft, FAST, LOADED, Load, Shop, until, with_own_stack};
use anyhow::{Result, ensure};
use std::{
    cell::Cell,
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::{time::interval, try_join};

const OUTAGE: Duration = Duration::from_secs(20);

/// The sandbox gateway keeps its ledger in Postgres, so a charge during the outage counts as an
/// attempt without an answer. `tok_processing_error` needs three attempts with an answer.
const ONE_MORE_PAYMENT_ATTEMPT: (&str, &str) = ("RETRY_MAXIMUM_ATTEMPTS", "4");

#[test]
fn an_outage_and_a_crash_of_postgres_lose_no_order() {
    with_own_stack(1, &[&LOADED[..], &[ONE_MORE_PAYMENT_ATTEMPT]].concat(), async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let (load, postgres, is_over) = (Load::default(), &shop.stack.postgres, Cell::new(false));
        load.place(shop, 50, 8, |n| mixed_order(&product, n)).await;
        let placing = async {
            // At most ten orders a second, from before the outage until after its end.
            let mut tick = interval(Duration::from_millis(100));
            for n in 0.. {
                tick.tick().await;
                load.place_until_accepted(shop, &mixed_order(&product, n)).await?;
                if is_over.get() {
                    break;
                }
            }
            Ok(())
        };
        let outage = async {
            load.reaches(60).await?;
            let began = Instant::now();
            postgres.stop().await?;
            let before = load.accepted();
            ensure!(shop.order(&before[0]).await?["id"] == before[0].as_str(), "reading needs Postgres");
            tokio::time::sleep_until((began + OUTAGE).into()).await;
            ensure!(load.accepted().len() >= before.len() + 10, "only {} orders were accepted", load.accepted().len() - before.len());
            postgres.start().await?;
            is_over.set(true);
            Ok(())
        };
        try_join!(placing, outage)?;
        load.ends(shop).await?;

        // A crash under load.
        let placing = async {
            load.place(shop, 60, 8, |n| mixed_order(&product, n)).await;
            anyhow::Ok(())
        };
        let crash = async {
            load.reaches(load.accepted().len() + 20).await?;
            postgres.kill().await?;
            postgres.start().await
        };
        try_join!(placing, crash)?;
        load.ends(shop).await?;
        let failed = "SELECT id, failure_reason FROM orders WHERE status = 'FAILED' AND failure_reason <> 'the card was declined'";
        let failed = shop.db().await?.query(failed, &[]).await?;
        let failed: Vec<(&str, &str)> = failed.iter().map(|row| (row.get(0), row.get(1))).collect();
        ensure!(failed.is_empty(), "orders have failed because Postgres was away: {failed:?}");
        shop.audit_is_clean().await
    });
}

/// The worker's sessions in Postgres.
async fn sessions(shop: &Shop) -> Result<BTreeSet<i32>> {
    let sessions = "SELECT pid FROM pg_stat_activity WHERE application_name = 'orderflow-worker'";
    Ok(shop.db().await?.query(sessions, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// A demoted primary keeps its connections open, but refuses each write (25006). The worker must
/// close these connections and must not open new ones to a read-only server. It must connect again
/// as soon as the server accepts writes.
#[test]
fn connections_to_a_read_only_postgres_are_closed() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 100).await?;
        let draft = Draft::new("CUST-demoted").line(&product, 1);
        shop.ends(&shop.place(&draft).await?, "COMPLETED").await?;
        let (control, soon) = (shop.db().await?, Duration::from_secs(20));
        let before = sessions(shop).await?;
        ensure!(!before.is_empty());
        control.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await?;
        control.batch_execute("SELECT pg_reload_conf()").await?;
        let id = shop.place(&draft).await?;
        until("no old session is left, and no new one is taken", soon, async || Ok(sessions(shop).await?.is_empty().then_some(()))).await?;
        let port = shop.stack.settings().port("WORKER_PORT")?;
        let ready = async || anyhow::Ok(shop.http.get(format!("http://127.0.0.1:{port}/health/ready")).send().await?.status().as_u16());
        assert_eq!(ready().await?, 503);

        control.batch_execute("SET default_transaction_read_only = off").await?;
        control.batch_execute("ALTER SYSTEM RESET default_transaction_read_only").await?;
        control.batch_execute("SELECT pg_reload_conf()").await?;
        shop.ends(&id, "COMPLETED").await?;
        ensure!(sessions(shop).await?.is_disjoint(&before), "an old session is still in use");
        until("it is ready", soon, async || Ok((ready().await? == 200).then_some(()))).await?;
        shop.audit_is_clean().await
    });
}
