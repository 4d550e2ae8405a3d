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

mod account;
mod customer;
mod fault;
mod kind;
mod listener;
mod plan;
mod queue;
mod record;
mod report;
mod settle;
mod shelf;
mod site;
mod story;
mod supplier;
mod watcher;
mod wish;
mod world;

use crate::support::{FAST, FailPoints, unstarted};
use anyhow::{Context as _, Result};
use plan::Plan;
use std::{env, str::FromStr};
use world::World;

/// The orders of the long form, unless `FAULTS_ORDERS` gives another number.
const ORDERS: usize = 10_000;
/// The orders of the short form.
const FEW_ORDERS: usize = 300;

#[test]
fn orders_survive_the_quick_faults() {
    run(&FAST, |seed, deceives| Ok(Plan::short(seed, FEW_ORDERS, deceives)));
}

/// Runs with the settings of env.example, so the recovery times are those that operators see.
#[test]
#[ignore = "takes about 20 minutes: make faults"]
fn orders_survive_every_fault() {
    run(&[], |seed, deceives| Ok(Plan::long(seed, setting("FAULTS_ORDERS")?.unwrap_or(ORDERS), deceives)));
}

fn run(env: &[(&str, &str)], plan: impl FnOnce(u64, bool) -> Result<Plan>) {
    let seed = setting("FAULTS_SEED").expect("FAULTS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("FAULTS_SEED={seed}");
    let fail_points = FailPoints::new().expect("a folder for fail points");
    let world = World::new().expect("another world");
    let folder = fail_points.folder();
    let library = world.as_ref().map(|world| world.library().display().to_string());
    // A parcel with a delay must be tracked.
    let more = [
        ("FAIL_POINTS", folder.as_str()),
        ("CARRIER_SANDBOX_DELAY_MS", "200"),
        ("RISK_SPEND_LIMITS", shelf::LIMIT),
        ("EVENTS_TOPIC_ARN", listener::TOPIC),
        ("LD_PRELOAD", library.as_deref().unwrap_or_default()),
    ];
    let env: Vec<(&str, &str)> = env.iter().copied().chain(more).collect();
    unstarted(1, &env, async |shop| {
        let plan = plan(seed, world.is_some())?;
        story::tell(shop, &fail_points, world.as_ref(), &plan).await.with_context(|| format!("to run it again: FAULTS_SEED={seed}"))
    });
}

/// Reads a setting from the environment.
fn setting<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str) -> Result<Option<T>> {
    let Ok(text) = env::var(name) else { return Ok(None) };
    Ok(Some(text.parse().with_context(|| format!("{name}={text}"))?))
}
