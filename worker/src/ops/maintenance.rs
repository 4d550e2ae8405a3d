//! `worker maintenance`: the switch that makes new orders wait. While it is on, orders are accepted
//! and recorded, but nothing is reserved or charged. When it is turned off, they continue by
//! themselves. Orders whose stock is already reserved do not wait.

use crate::{
    config::{self, Switch},
    db,
    sql::maintenance as sql,
};
use anyhow::Context;

/// Turns the switch if a new state is given, and prints its state.
///
/// # Errors
/// Fails if Postgres does not answer.
pub async fn run(settings: config::Maintenance) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let client = db::pool(&settings.postgres).await?.get().await.context("Postgres cannot be reached")?;
    match settings.switch {
        Some(Switch::On) => {
            sql::turn_on(&client, &settings.reason).await?;
        }
        Some(Switch::Off) => {
            sql::turn_off(&client).await?;
        }
        None => {}
    }
    match sql::current_maintenance(&client).await? {
        Some(sql::Maintenance { reason, since }) => println!("on since {since} UTC: {reason}"),
        None => println!("off"),
    }
    Ok(())
}
