//! `worker maintenance`: the switch that lets orders wait. They are accepted and recorded; nothing is reserved or charged until it is off, and then
//! they go on by themselves. What is reserved already is finished.

use crate::{
    config::{self, Switch},
    db,
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
            let on = "INSERT INTO maintenance (reason) VALUES ($1) ON CONFLICT (single) DO UPDATE SET reason = EXCLUDED.reason";
            client.execute(on, &[&settings.reason]).await?;
        }
        Some(Switch::Off) => {
            client.execute("DELETE FROM maintenance", &[]).await?;
        }
        None => {}
    }
    match client.query_opt("SELECT reason, to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM maintenance", &[]).await? {
        Some(row) => println!("on since {} UTC: {}", row.try_get::<_, &str>(1)?, row.try_get::<_, &str>(0)?),
        None => println!("off"),
    }
    Ok(())
}
