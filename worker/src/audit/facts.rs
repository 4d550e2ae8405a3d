//! The invariants of the facts in Postgres: stock, reservations, payments, the payment ledger, and
//! histories. All of them are checked in one snapshot.

use super::{BrokenInvariant, SETTLE_TIME};
use crate::{
    db::{self, millis},
    sql::audit::{self as sql, Invariant},
};
use deadpool_postgres::Pool;
use orders::OrderStatus;
use std::time::Duration;
use tokio_postgres::{IsolationLevel, error::DbError};

/// Finds every breach that exists now and still exists after [`SETTLE_TIME`]. `publishes_events` is
/// true if events are published to other systems. `stuck_after` is how long an order or refund may
/// take.
///
/// # Errors
/// Fails if Postgres does not answer.
pub(super) async fn check(pool: &Pool, publishes_events: bool, stuck_after: Duration) -> anyhow::Result<Vec<BrokenInvariant>> {
    let mut broken = find_breaches(pool, publishes_events, stuck_after).await?;
    if !broken.is_empty() {
        // The sandbox gateway or carrier may have recorded something that the shop's tables do not
        // have yet.
        tokio::time::sleep(SETTLE_TIME).await;
        let later = find_breaches(pool, publishes_events, stuck_after).await?;
        broken.retain(|first| later.iter().any(|later| (later.invariant, &later.subject) == (first.invariant, &first.subject)));
    }
    Ok(broken)
}

/// Finds every breach in one snapshot.
async fn find_breaches(pool: &Pool, publishes_events: bool, stuck_after: Duration) -> anyhow::Result<Vec<BrokenInvariant>> {
    let mut client = db::connection(pool).await?;
    let mut snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    // The statements read whole tables, which may take longer than the limit for requests.
    snapshot.batch_execute("SET LOCAL statement_timeout = '10min'").await?;
    let (holding, ended) = (holding(), ended());
    let mut broken = Vec::new();
    for Invariant { name: invariant, statement, .. } in invariants(publishes_events) {
        let point = snapshot.savepoint("invariant").await?;
        match sql::find_breaches(&point, statement, &holding, &ended, millis(stuck_after)).await {
            Ok(breaches) => {
                broken.extend(breaches.into_iter().map(|sql::Breach { subject, detail }| BrokenInvariant { invariant, subject, detail }));
            }
            // If one invariant cannot be computed because of a bad value, the others are still
            // checked.
            Err(error) if is_data_exception(&error) => {
                let detail = format!("cannot be checked: {}", error.as_db_error().map_or("", DbError::message));
                broken.push(BrokenInvariant { invariant, subject: "every row".to_owned(), detail });
            }
            Err(error) => return Err(error.into()),
        }
        point.rollback().await?;
    }
    broken.extend(illegal_transitions(&snapshot).await?);
    Ok(broken)
}

/// The invariants to check.
pub(super) fn invariants(publishes_events: bool) -> impl Iterator<Item = &'static Invariant> {
    sql::INVARIANTS.iter().chain(if publishes_events { sql::TOPIC_INVARIANTS } else { &[] })
}

/// The statuses of orders that hold stock.
pub(super) fn holding() -> Vec<&'static str> {
    use OrderStatus::{Completed, Delivered, Paid, Reserved, Shipped};
    [Reserved, Paid, Shipped, Delivered, Completed].map(OrderStatus::as_str).to_vec()
}

/// The final statuses.
pub(super) fn ended() -> Vec<&'static str> {
    OrderStatus::ALL.iter().filter(|status| status.is_final()).map(|status| status.as_str()).collect()
}

/// Whether a value caused the error, such as a sum that is out of range (SQLSTATE class 22).
fn is_data_exception(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("22"))
}

/// Finds transitions in the histories that the transition table does not permit.
async fn illegal_transitions(snapshot: &deadpool_postgres::Transaction<'_>) -> anyhow::Result<Vec<BrokenInvariant>> {
    let illegal = sql::illegal_transitions(snapshot, &legal_transitions()).await?;
    let broken = illegal
        .into_iter()
        .map(|sql::IllegalTransition { order_id, previous, status }| illegal_transition(order_id, previous.as_deref(), &status));
    Ok(broken.collect())
}

pub(super) fn illegal_transition(order_id: String, previous: Option<&str>, status: &str) -> BrokenInvariant {
    let detail = format!("went from {} to {status}", previous.unwrap_or("nothing"));
    BrokenInvariant { invariant: "only legal transitions", subject: order_id, detail }
}

/// The permitted transitions, as texts such as `PENDING>RESERVED`; the first one is `>PENDING`.
pub(super) fn legal_transitions() -> Vec<String> {
    OrderStatus::steps().into_iter().chain(OrderStatus::FIRST.iter().map(|first| format!(">{first}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_begins_pending_and_moves_as_the_table_says() {
        let transitions = legal_transitions();
        for transition in [">PENDING", "PENDING>RESERVED", "PAID>COMPLETED"] {
            assert!(transitions.contains(&transition.to_owned()), "{transition}");
        }
        assert!(!transitions.contains(&"COMPLETED>CANCELLED".to_owned()));
    }
}
