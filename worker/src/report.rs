//! `worker order`: prints all that is known of one order, from every store, in one timeline.
//!
//! It prints nothing personal: no customer, contact, payment token or address, and no text that
//! people or carriers wrote. Texts of errors are printed without words that look like these
//! ([`fact`]).

mod fact;
mod gateway;
mod postgres;
mod read_model;
mod temporal;
mod text;

use crate::{
    audit::{BrokenInvariant, order as audit},
    config, db,
};
use anyhow::{Context as _, anyhow};
use fact::{Fact, Store};
use orders::{Money, OrderId, view::accepted_order};
use postgres::Recorded;
use serde::Serialize;
use std::time::Duration;
use time::OffsetDateTime;

/// The time limit for a store.
const STORE_TIMEOUT: Duration = Duration::from_secs(20);

/// All that is known of an order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    order: OrderId,
    status: Option<String>,
    /// The reason for the end of the order, in words of OrderFlow's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    #[serde(serialize_with = "fact::optional_time")]
    accepted_at: Option<OffsetDateTime>,
    /// What happened, oldest first.
    timeline: Vec<Fact>,
    /// What is so now.
    now: Vec<Fact>,
    findings: Vec<BrokenInvariant>,
    unreadable: Vec<Unreadable>,
}

/// A store that could not be read.
#[derive(Serialize)]
struct Unreadable {
    store: Store,
    error: String,
}

/// Prints the report.
///
/// # Errors
/// Fails if no store that could be read knows the order.
pub async fn run(settings: config::Order) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let report = gather(&settings).await?;
    if settings.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", text::render(&report));
    }
    Ok(())
}

/// What the stores say, before it is sorted.
#[derive(Default)]
struct Gathered {
    facts: Vec<Fact>,
    findings: Vec<BrokenInvariant>,
    unreadable: Vec<Unreadable>,
}

impl Gathered {
    /// Returns what was read from a store. If it could not be read, notes why, and returns `None`.
    fn readable<T>(&mut self, store: Store, read: anyhow::Result<T>) -> Option<T> {
        read.map_err(|error| {
            let error = fact::without_personal_data(&format!("{error:#}"));
            self.unreadable.push(Unreadable { store, error });
        })
        .ok()
    }
}

async fn gather(settings: &config::Order) -> anyhow::Result<Report> {
    let (id, stuck_after, mut all) = (settings.order, settings.stuck.stuck_after, Gathered::default());
    let recorded = in_time(async {
        let pool = db::reading_pool(&settings.postgres).await?;
        anyhow::Ok((postgres::read(&pool, id, settings).await?, pool))
    });
    let (recorded, pool) = all.readable(Store::Postgres, recorded.await).unzip();
    let has_postgres = recorded.is_some();
    let mut recorded: Option<Recorded> = recorded.flatten();

    let refunds = recorded.as_ref().map_or_else(Vec::new, |recorded| recorded.refunds.clone());
    let payment = recorded.as_ref().and_then(|recorded| recorded.payment.as_ref()).zip(pool.as_ref());
    let books = async {
        match payment {
            Some((payment, pool)) => gateway::read(&settings.payments, pool, payment).await,
            None => Ok(Vec::new()),
        }
    };
    let (books, stored, workflows) = tokio::join!(
        in_time(books),
        in_time(read_model::read(settings.read_model.clone(), id)),
        in_time(temporal::read(settings.temporal.clone(), id, &refunds)),
    );

    let mut view = None;
    if let Some(recorded) = &mut recorded {
        all.facts.append(&mut recorded.facts);
        let findings = std::mem::replace(&mut recorded.findings, Ok(Vec::new()));
        let findings = all.readable(Store::Audit, findings);
        all.findings.extend(findings.into_iter().flatten());
        view = recorded.view.take();
    }
    let order = recorded.as_ref().map(|recorded| &recorded.order);
    let books = all.readable(Store::Gateway, books);
    all.facts.extend(books.into_iter().flatten());
    let stored = all.readable(Store::ReadModel, stored);
    let has_read_model = stored.is_some();
    let stored = stored.flatten();
    all.facts.extend(stored.as_ref().map(|stored| read_model::fact(stored, order.map(|order| order.version))));
    let workflows = all.readable(Store::Temporal, workflows);
    if let (Some(workflows), Some(order)) = (&workflows, order) {
        all.findings.extend(audit::check_workflow(id, &order.status, order.created_at, workflows.state));
    }
    let is_processed = workflows.as_ref().is_some_and(|workflows| workflows.is_known);
    all.facts.extend(workflows.into_iter().flat_map(|workflows| workflows.facts));
    if order.is_none() && stored.is_none() && !is_processed {
        return Err(unknown(id, &all.unreadable));
    }

    let readable = stored.as_ref().and_then(|stored| stored.as_ref().ok());
    let status = order.map(|order| order.status.clone()).or_else(|| readable.map(|stored| stored.status.to_string()));
    let accepted = readable.and_then(|stored| accepted_order(&stored.json).ok());
    let accepted_at = order.map(|order| order.created_at).or_else(|| accepted.as_ref().map(|order| order.accepted_at));
    let total = match order {
        Some(order) => postgres::money(order, order.total_minor),
        None => accepted.map(|order| Money { minor: order.total_minor, currency: order.currency }),
    };
    if has_postgres && has_read_model {
        let entry = stored.map(|stored| stored.map(|stored| (stored.version, stored.json)));
        all.findings.extend(audit::check_read_model(id, view, entry, stuck_after));
    }
    let (mut timeline, now): (Vec<_>, Vec<_>) = all.facts.into_iter().partition(|fact| fact.at.is_some());
    timeline.sort_by_key(|fact| fact.at);
    for fact in &mut timeline {
        fact.count_from(accepted_at);
    }
    Ok(Report {
        order: id,
        status,
        reason: order.and_then(postgres::public_reason),
        total,
        currency: total.map(|total| total.currency.code()),
        accepted_at,
        timeline,
        now,
        findings: all.findings,
        unreadable: all.unreadable,
    })
}

/// The error for an order that no store knows.
fn unknown(id: OrderId, unreadable: &[Unreadable]) -> anyhow::Error {
    if unreadable.is_empty() {
        return anyhow!("there is no order {id}: neither Postgres nor the read model nor Temporal has it");
    }
    let stores: Vec<String> = unreadable.iter().map(|one| format!("{} ({})", one.store, one.error)).collect();
    anyhow!("there is no order {id} in what could be read; unreadable: {}", stores.join("; "))
}

/// Reads a store within [`STORE_TIMEOUT`].
async fn in_time<T>(read: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(STORE_TIMEOUT, read).await.with_context(|| format!("no answer within {} s", STORE_TIMEOUT.as_secs()))?
}
