//! The API process is stopped and killed.

use super::mixed_order;
use crate::support::{Draft, LOADED, Load, with_own_stack};
use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use tokio::try_join;

#[test]
fn a_killed_api_loses_and_repeats_no_order() {
    with_own_stack(1, &LOADED, async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let (load, api) = (Load::default(), &shop.stack.api);
        let placing = async {
            for round in 0..12 {
                let drafts: Vec<Draft> = (0..10).map(|n| mixed_order(&product, 10 * round + n)).collect();
                try_join_all(drafts.iter().map(|draft| load.place_until_accepted(shop, draft))).await?;
            }
            anyhow::Ok(())
        };
        let breaking = async {
            for kill in 1..=2 {
                load.reaches(30 * kill).await?;
                api.kill().await?;
                api.start().await?;
            }
            load.reaches(90).await?;
            let status = api.stop().await?.context("it did not run")?;
            ensure!(status.success(), "it ended with {status}: {}", shop.log(api.log()));
            api.start().await
        };
        try_join!(placing, breaking)?;
        load.ends(shop).await?;
        let count: i64 = shop.db().await?.query_one("SELECT count(*) FROM orders", &[]).await?.get(0);
        assert_eq!(count, 120, "each client wanted one order");
        shop.audit_is_clean().await
    });
}
