//! The invariants of the facts in Postgres: stock, reservations, payments, the payment ledger, and
//! histories. All of them are checked in one snapshot.

use super::{Finding, SETTLE};
use crate::{
    db,
    inventory::millis,
    sql::audit::{self as sql, Invariant},
};
use deadpool_postgres::Pool;
use orders::OrderStatus;
use std::time::Duration;
use tokio_postgres::{IsolationLevel, error::DbError};

/// Finds every breach that exists now and still exists after [`SETTLE`]. `told` is true if events
/// are published to other systems. `stuck_after` is how long an order or refund may take.
///
/// # Errors
/// Fails if Postgres does not answer.
pub(super) async fn check(pool: &Pool, told: bool, stuck_after: Duration) -> anyhow::Result<Vec<Finding>> {
    let mut findings = breaches(pool, told, stuck_after).await?;
    if !findings.is_empty() {
        // A gateway or a carrier may have recorded something that is not in Postgres yet.
        tokio::time::sleep(SETTLE).await;
        let later = breaches(pool, told, stuck_after).await?;
        findings.retain(|finding| later.iter().any(|later| (later.invariant, &later.subject) == (finding.invariant, &finding.subject)));
    }
    Ok(findings)
}

/// Finds every breach in one snapshot.
async fn breaches(pool: &Pool, told: bool, stuck_after: Duration) -> anyhow::Result<Vec<Finding>> {
    let mut client = db::connection(pool).await?;
    let mut snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    // The statements read whole tables, which may take longer than the limit for requests.
    snapshot.batch_execute("SET LOCAL statement_timeout = '10min'").await?;
    let names = |wanted: fn(&OrderStatus) -> bool| -> Vec<&str> {
        OrderStatus::ALL.iter().filter(|status| wanted(status)).map(|status| status.as_str()).collect()
    };
    let holding = names(|status| {
        use OrderStatus::{Completed, Delivered, Paid, Reserved, Shipped};
        matches!(status, Reserved | Paid | Shipped | Delivered | Completed)
    });
    let ended = names(|status| status.is_final());
    let mut findings = Vec::new();
    for Invariant { name: invariant, statement, .. } in sql::INVARIANTS.iter().chain(if told { sql::INVARIANTS_OF_TOPIC } else { &[] }) {
        let point = snapshot.savepoint("invariant").await?;
        match sql::breaches(&point, statement, &holding, &ended, millis(stuck_after)).await {
            Ok(breaches) => {
                findings.extend(breaches.into_iter().map(|sql::Breach { subject, detail }| Finding { invariant, subject, detail }));
            }
            // If one invariant cannot be computed because of a bad value, the others are still
            // checked.
            Err(error) if is_data_exception(&error) => {
                let detail = format!("cannot be checked: {}", error.as_db_error().map_or("", DbError::message));
                findings.push(Finding { invariant, subject: "every row".to_owned(), detail });
            }
            Err(error) => return Err(error.into()),
        }
        point.rollback().await?;
    }
    findings.extend(illegal_steps(&snapshot).await?);
    Ok(findings)
}

/// Whether a value caused the error, such as a sum that is out of range (SQLSTATE class 22).
fn is_data_exception(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("22"))
}

/// Finds transitions in the histories that the transition table does not permit.
async fn illegal_steps(snapshot: &deadpool_postgres::Transaction<'_>) -> anyhow::Result<Vec<Finding>> {
    let steps = sql::illegal_steps(snapshot, &legal_steps()).await?.into_iter().map(|sql::IllegalStep { order_id, was, status }| {
        let detail = format!("went from {} to {status}", was.as_deref().unwrap_or("nothing"));
        Finding { invariant: "only legal transitions", subject: order_id, detail }
    });
    Ok(steps.collect())
}

fn legal_steps() -> Vec<String> {
    OrderStatus::steps().into_iter().chain(OrderStatus::FIRST.iter().map(|first| format!(">{first}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_begins_pending_and_moves_as_the_table_says() {
        let steps = legal_steps();
        for step in [">PENDING", "PENDING>RESERVED", "PAID>COMPLETED"] {
            assert!(steps.contains(&step.to_owned()), "{step}");
        }
        assert!(!steps.contains(&"COMPLETED>CANCELLED".to_owned()));
    }
}
