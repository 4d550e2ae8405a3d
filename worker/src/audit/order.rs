//! The invariants of a single order, for `worker order`. Unlike the audit, this looks only once. So
//! a finding about an order that is being processed may be gone a moment later.

use super::{
    BrokenInvariant, SETTLE_TIME,
    facts::{ended, holding, illegal_transition, invariants, legal_transitions},
    processes::NO_STUCK_ORDERS,
    read_model::{Difference, Differences, Stored, broken_invariants, compare, created_at},
};
use crate::{
    db::millis,
    sql::{Client, audit as sql},
};
use orders::{OrderId, OrderStatus, OrderView};
use std::time::Duration;
use time::OffsetDateTime;

/// Finds the breaches in Postgres. `related` are the ids of the order's shipments and refunds.
///
/// # Errors
/// Fails if Postgres does not answer.
pub(crate) async fn check_facts(
    client: &dyn Client,
    id: OrderId,
    related: &[String],
    publishes_events: bool,
    stuck_after: Duration,
) -> anyhow::Result<Vec<BrokenInvariant>> {
    let (holding, ended, id) = (holding(), ended(), id.to_string());
    let mut broken = Vec::new();
    for sql::Invariant { name: invariant, statement, .. } in invariants(publishes_events) {
        for subject in [&id].into_iter().chain(related) {
            let breaches = sql::find_breaches_of(client, statement, &holding, &ended, millis(stuck_after), subject).await?;
            let breaches = breaches.into_iter();
            broken.extend(breaches.map(|sql::Breach { subject, detail }| BrokenInvariant { invariant, subject, detail }));
        }
    }
    let (legal, mut previous) = (legal_transitions(), None::<String>);
    for sql::PastStatus { status } in sql::order_statuses(client, &id).await? {
        if !legal.contains(&format!("{}>{status}", previous.as_deref().unwrap_or_default())) {
            broken.push(illegal_transition(id.clone(), previous.as_deref(), &status));
        }
        previous = Some(status);
    }
    Ok(broken)
}

/// Compares the order in the read model with its view from Postgres. `None` means that the store
/// does not have the order.
pub(crate) fn check_read_model(
    id: OrderId,
    view: Option<anyhow::Result<OrderView>>,
    stored: Option<Stored>,
    stuck_after: Duration,
) -> Vec<BrokenInvariant> {
    let difference = match (view, stored) {
        (Some(view), stored) => compare(view.and_then(|order| Ok((order.version, serde_json::to_value(&order)?))), stored),
        // A recent order may still wait for its workflow.
        (None, Some(Ok((_, json)))) => {
            let is_due = created_at(&json).is_ok_and(|at| at < OffsetDateTime::now_utc() - stuck_after);
            is_due.then_some(Difference::NotInPostgres)
        }
        (None, Some(Err(error))) => Some(Difference::Damaged { error }),
        (None, None) => None,
    };
    difference.map_or_else(Vec::new, |difference| broken_invariants(&Differences::of_order(id.to_string(), difference)))
}

/// Compares the order's status in Postgres with the state of its workflow.
pub(crate) fn check_workflow(id: OrderId, status: &str, accepted_at: OffsetDateTime, workflow: &str) -> Option<BrokenInvariant> {
    let is_open = status.parse().is_ok_and(|status: OrderStatus| !status.is_final());
    // An order that was accepted just now may not have a workflow yet.
    let is_lost = is_open && workflow != "running" && accepted_at < OffsetDateTime::now_utc() - SETTLE_TIME;
    is_lost.then(|| stuck(id, format!("{status}, but its workflow is {workflow}")))
}

/// The finding that the order is stuck.
pub(crate) fn stuck(id: OrderId, detail: String) -> BrokenInvariant {
    BrokenInvariant { invariant: NO_STUCK_ORDERS, subject: id.to_string(), detail }
}
