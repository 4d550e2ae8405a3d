//! Postgres is away: orders are accepted and read, and go on when it is back.

use super::mixed;
use crate::support::{FAST, Load, own};
use anyhow::ensure;
use std::time::{Duration, Instant};
use tokio::{time::interval, try_join};

const OUTAGE: Duration = Duration::from_secs(20);

#[test]
fn stopped_for_twenty_seconds_and_killed_under_load_it_costs_no_order() {
    own(1, &FAST, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let (load, postgres) = (Load::default(), &shop.stack.postgres);
        load.place(shop, 50, 8, |n| mixed(&product, n)).await;
        let placing = async {
            // Ten a second, from a second before the outage to one after it.
            let (began, mut tick) = (Instant::now(), interval(Duration::from_millis(100)));
            for n in 0.. {
                tick.tick().await;
                load.place_one(shop, &mixed(&product, n)).await;
                if began.elapsed() > OUTAGE + Duration::from_secs(2) {
                    ensure!(load.accepted().len() == 51 + n, "orders were refused while only Postgres was away");
                    break;
                }
            }
            Ok(())
        };
        let outage = async {
            load.reaches(60).await?;
            let began = Instant::now();
            postgres.stop().await?;
            let id = &load.accepted()[0];
            ensure!(shop.order(id).await?["id"] == id.as_str(), "reading needs Postgres");
            tokio::time::sleep_until((began + OUTAGE).into()).await;
            postgres.start().await
        };
        try_join!(placing, outage)?;
        load.ends(shop).await?;

        // A crash in the middle of things.
        let placing = async {
            load.place(shop, 60, 8, |n| mixed(&product, n)).await;
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
        ensure!(failed.is_empty(), "orders have failed because Postgres was away: {failed:?}");
        shop.audit_is_clean().await
    });
}
