//! `worker maintenance`: the switch that lets orders wait. They are accepted and recorded; nothing is reserved or charged until it is off, and then
//! they go on by themselves. What is reserved already is finished.

use crate::{
    config::{self, Switch},
    db,
    sql::maintenance as sql,
};
use anyhow::Context;

/// Turns the switch, or says how it stands.
///
/// # Errors
/// When Postgres does not answer.
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
    match sql::current(&client).await? {
        Some(sql::Maintenance { reason, since }) => println!("on since {since} UTC: {reason}"),
        None => println!("off"),
    }
    Ok(())
}
