//! The fault suite: a complete system, customers of many kinds, one fault after another, and a
//! check of every order at the end.
//!
//! The suite records what the API acknowledged. It reads the results from outside, through SQL and
//! the HTTP API, and compares them with this record. It also runs `worker audit`, which counts in
//! its own way. One seed decides everything: the order of the faults, who orders what, who cancels
//! when. A failing run prints its seed; `FAULTS_SEED` repeats the run.
//!
//! `make test` runs the short form. `make faults` runs the long form with `FAULTS_ORDERS` orders.
//! `FAULTS_OTHER_WORKER` names the worker binary of another release, which runs beside the current
//! one. Without it, the second worker is the current one with other settings.

mod catalog;
mod checks;
mod context;
mod customer;
mod fault;
mod kind;
mod plan;
mod preload;
mod queue;
mod record;
mod report;
mod run;
mod scenario;
mod settle;
mod subscriber;
mod supplier;
mod watcher;

use crate::support::{FailPoints, LOADED, with_unstarted_stack};
use anyhow::{Context as _, Result};
use plan::Plan;
use preload::Preload;
use std::{env, str::FromStr};

/// The orders of the long form, unless `FAULTS_ORDERS` gives another number.
const ORDERS: usize = 10_000;
/// The orders of the short form.
const FEW_ORDERS: usize = 300;

#[test]
fn orders_survive_the_quick_faults() {
    run(&LOADED, |seed, has_preload| Ok(Plan::short(seed, FEW_ORDERS, has_preload)));
}

/// Runs with the settings of env.example, so the recovery times are those that operators see.
#[test]
#[ignore = "takes about 20 minutes: make faults"]
fn orders_survive_every_fault() {
    run(&[], |seed, has_preload| Ok(Plan::long(seed, setting("FAULTS_ORDERS")?.unwrap_or(ORDERS), has_preload)));
}

fn run(env: &[(&str, &str)], plan: impl FnOnce(u64, bool) -> Result<Plan>) {
    let seed = setting("FAULTS_SEED").expect("FAULTS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("FAULTS_SEED={seed}");
    let fail_points = FailPoints::new().expect("a folder for fail points");
    let preload = Preload::new().expect("the preload library");
    let folder = fail_points.folder();
    let library = preload.as_ref().map(|preload| preload.library().display().to_string());
    // With a delay of the carrier, the worker must track each parcel.
    let more = [
        ("FAIL_POINTS", folder.as_str()),
        ("CARRIER_SANDBOX_DELAY_MS", "200"),
        ("RISK_SPEND_LIMITS", catalog::LIMIT),
        ("EVENTS_TOPIC_ARN", subscriber::TOPIC),
        ("LD_PRELOAD", library.as_deref().unwrap_or_default()),
    ];
    let env: Vec<(&str, &str)> = env.iter().copied().chain(more).collect();
    with_unstarted_stack(1, &env, async |shop| {
        let plan = plan(seed, preload.is_some())?;
        run::run(shop, &fail_points, preload.as_ref(), &plan).await.with_context(|| format!("to run it again: FAULTS_SEED={seed}"))
    });
}

/// Reads a setting from the environment.
fn setting<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str) -> Result<Option<T>> {
    let Ok(text) = env::var(name) else { return Ok(None) };
    Ok(Some(text.parse().with_context(|| format!("{name}={text}"))?))
}
