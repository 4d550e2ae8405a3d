//! Clocks step forwards and back while stock is held, around the end of the time for which it is.

use super::{
    Site,
    gateway::{Illness, falls_ill},
};
use crate::faults::suite::world::Program;
use anyhow::{Context as _, Result};
use std::time::Duration;
use tokio::{time::sleep, try_join};

/// Where Postgres' clock and the workers' step to, in seconds around the end of what is held now. What a carrier in this Postgres was to do at a
/// certain time, it does so much later when the clock steps back, so those steps are small, and the last step is the furthest.
const STEPS: &[(i64, i64)] = &[(-2, 0), (-5, -2), (1, -6), (-4, 1), (3, -900), (6, 6)];

/// Steps over so long a time. Payments are slow meanwhile, so that many orders hold stock that is not paid. The clocks stay where they are in the end.
pub(super) async fn steps(site: &Site<'_>, duration: Duration) -> Result<()> {
    let world = site.world.context("clocks cannot be set here")?;
    let held_s: i64 = site.shop.stack.settings().get("RESERVATION_TTL_S")?.parse()?;
    let pause = duration / u32::try_from(STEPS.len())?;
    let stepping = async {
        for (postgres, others) in STEPS {
            world.set_clock(Program::Postgres, held_s + postgres)?;
            world.set_clock(Program::Worker, held_s + others)?;
            world.set_clock(Program::Api, held_s + others)?;
            sleep(pause).await;
        }
        Ok(())
    };
    try_join!(stepping, falls_ill(site, Illness::Slow, duration))?;
    let expired = "SELECT count(DISTINCT order_id) FROM reservations WHERE state = 'EXPIRED'";
    let expired: i64 = site.shop.db().await?.query_one(expired, &[]).await?.get(0);
    println!("orders whose stock was given back: {expired}");
    Ok(())
}
