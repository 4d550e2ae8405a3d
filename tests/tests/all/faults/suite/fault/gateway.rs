//! The payment gateway answers, but slowly or with errors. The sandbox gateway keeps its books in
//! Postgres, so a trigger on its table injects the fault.

use super::FaultContext;
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The length of each phase of a flapping gateway, with and without errors.
const FLAP: Duration = Duration::from_millis(700);

#[derive(Clone, Copy, Debug)]
pub(in crate::faults::suite) enum GatewayFault {
    /// Each call takes more than half of the worker's timeout, so authorization and capture
    /// together exceed it. When the worker stops waiting, the first call or both may have had their
    /// effect.
    Slow,
    /// Each call is answered with an error.
    Errors,
    /// Phases with errors and phases without errors alternate.
    Flapping,
}

impl GatewayFault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Errors => "fails",
            Self::Flapping => "flaps",
        }
    }
}

/// Injects the fault for `duration`.
pub(super) async fn inject(context: &FaultContext<'_>, fault: GatewayFault, duration: Duration) -> Result<()> {
    let limit_ms: u64 = context.shop.stack.settings().get("STEP_LOCAL_LIMIT_MS")?.parse()?;
    let slow = format!("PERFORM pg_sleep_for('{} ms');", limit_ms * 3 / 5);
    let error = "RAISE EXCEPTION 'the gateway answers 500';".to_owned();
    let began = Instant::now();
    match fault {
        GatewayFault::Slow => before_each_call(context, &slow).await?,
        GatewayFault::Errors => before_each_call(context, &error).await?,
        GatewayFault::Flapping => {
            while began.elapsed() < duration {
                before_each_call(context, &error).await?;
                sleep(FLAP).await;
                before_each_call(context, "").await?;
                sleep(FLAP).await;
            }
        }
    }
    sleep(duration.saturating_sub(began.elapsed())).await;
    before_each_call(context, "").await
}

/// Makes each call to the gateway run this statement before it is answered.
pub(super) async fn before_each_call(context: &FaultContext<'_>, what: &str) -> Result<()> {
    let db = context.shop.db().await?;
    let function =
        format!("CREATE OR REPLACE FUNCTION sandbox.inject_fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what} RETURN NEW; END $$");
    db.batch_execute(&function).await?;
    // The trigger is created only once, because that needs an exclusive lock on the table.
    let known = db.query_one("SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'inject_fault')", &[]).await?;
    if !known.get::<_, bool>(0) {
        let trigger =
            "CREATE TRIGGER inject_fault BEFORE INSERT OR UPDATE ON sandbox.charges FOR EACH ROW EXECUTE FUNCTION sandbox.inject_fault()";
        db.batch_execute(trigger).await?;
    }
    Ok(())
}
