//! The payment gateway answers, but slowly or with errors. The sandbox gateway keeps its books in
//! Postgres, so a trigger on its table injects the fault.

use super::Site;
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The length of each phase of a flapping gateway, with and without errors.
const FLAP: Duration = Duration::from_millis(700);

#[derive(Clone, Copy, Debug)]
pub(in crate::faults::suite) enum Illness {
    /// Each call takes more than half of the worker's timeout, so authorization and capture
    /// together exceed it. When the worker stops waiting, the first call or both may have had their
    /// effect.
    Slow,
    /// Each call is answered with an error.
    Errors,
    /// Phases with errors and phases without errors alternate.
    Flapping,
}

impl Illness {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Errors => "answers 500",
            Self::Flapping => "flaps",
        }
    }
}

/// Injects the fault for `duration`.
pub(super) async fn falls_ill(site: &Site<'_>, illness: Illness, duration: Duration) -> Result<()> {
    let limit_ms: u64 = site.shop.stack.settings().get("STEP_LOCAL_LIMIT_MS")?.parse()?;
    let slow = format!("PERFORM pg_sleep_for('{} ms');", limit_ms * 3 / 5);
    let error = "RAISE EXCEPTION 'the gateway answers 500';".to_owned();
    let began = Instant::now();
    match illness {
        Illness::Slow => suffers(site, &slow).await?,
        Illness::Errors => suffers(site, &error).await?,
        Illness::Flapping => {
            while began.elapsed() < duration {
                suffers(site, &error).await?;
                sleep(FLAP).await;
                suffers(site, "").await?;
                sleep(FLAP).await;
            }
        }
    }
    sleep(duration.saturating_sub(began.elapsed())).await;
    suffers(site, "").await
}

/// Makes each call to the gateway run this statement before it is answered.
pub(super) async fn suffers(site: &Site<'_>, what: &str) -> Result<()> {
    let db = site.shop.db().await?;
    let function =
        format!("CREATE OR REPLACE FUNCTION sandbox.suffer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what} RETURN NEW; END $$");
    db.batch_execute(&function).await?;
    // The trigger is created only once, because that needs an exclusive lock on the table.
    let known = db.query_one("SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'suffer')", &[]).await?;
    if !known.get::<_, bool>(0) {
        let trigger = "CREATE TRIGGER suffer BEFORE INSERT OR UPDATE ON sandbox.charges FOR EACH ROW EXECUTE FUNCTION sandbox.suffer()";
        db.batch_execute(trigger).await?;
    }
    Ok(())
}
