//! Clocks step forwards and back while stock is held, to times around the end of the reservations.

use super::{
    FaultContext,
    gateway::{GatewayFault, inject},
};
use crate::faults::suite::preload::Program;
use anyhow::{Context as _, Result};
use std::time::Duration;
use tokio::{time::sleep, try_join};

/// The steps: the clocks of Postgres and of the programs, in seconds relative to the end of the
/// reservations that are held now. When the clock of Postgres steps back, the sandbox carrier is
/// late by the size of the step. So the steps back of Postgres are small, and the last step leads
/// furthest into the future.
const STEPS: &[(i64, i64)] = &[(-2, 0), (-5, -2), (1, -6), (-4, 1), (3, -900), (6, 6)];

/// Performs all steps within `duration`. Payments are slow meanwhile, so that many orders hold
/// unpaid stock. The clocks keep their last offset.
pub(super) async fn step_clocks(context: &FaultContext<'_>, duration: Duration) -> Result<()> {
    let preload = context.preload.context("clocks cannot be set here")?;
    let held_s: i64 = context.shop.stack.settings().get("RESERVATION_TTL_S")?.parse()?;
    let pause = duration / u32::try_from(STEPS.len())?;
    let stepping = async {
        for (postgres, others) in STEPS {
            preload.set_clock(Program::Postgres, held_s + postgres)?;
            preload.set_clock(Program::Worker, held_s + others)?;
            preload.set_clock(Program::Api, held_s + others)?;
            sleep(pause).await;
        }
        Ok(())
    };
    try_join!(stepping, inject(context, GatewayFault::Slow, duration))?;
    let expired = "SELECT count(DISTINCT order_id) FROM reservations WHERE state = 'EXPIRED'";
    let expired: i64 = context.shop.db().await?.query_one(expired, &[]).await?.get(0);
    println!("orders whose reservations expired: {expired}");
    Ok(())
}
