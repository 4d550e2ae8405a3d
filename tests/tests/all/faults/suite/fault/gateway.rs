//! The payment gateway is there, but not as it should be. The sandbox gateway keeps its books in Postgres, so a trigger on them stands for its trouble.

use super::Site;
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long it is well, and ill, when it flaps.
const FLAP: Duration = Duration::from_millis(700);

#[derive(Clone, Copy, Debug)]
pub(in crate::faults::suite) enum Illness {
    /// Each call takes more than half of what the worker gives it, so that authorizing and taking together take too long: the first may have worked,
    /// or both, when nobody waits for the answer any more.
    Slow,
    /// Each call is answered with an error.
    Errors,
    /// It has errors, and has none, by turns.
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

/// For so long.
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

/// Gives each call to the gateway something to do before it is answered.
pub(super) async fn suffers(site: &Site<'_>, what: &str) -> Result<()> {
    let db = site.shop.db().await?;
    let function =
        format!("CREATE OR REPLACE FUNCTION sandbox.suffer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what} RETURN NEW; END $$");
    db.batch_execute(&function).await?;
    // Made once: it needs the table for itself.
    let known = db.query_one("SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'suffer')", &[]).await?;
    if !known.get::<_, bool>(0) {
        let trigger = "CREATE TRIGGER suffer BEFORE INSERT OR UPDATE ON sandbox.charges FOR EACH ROW EXECUTE FUNCTION sandbox.suffer()";
        db.batch_execute(trigger).await?;
    }
    Ok(())
}
