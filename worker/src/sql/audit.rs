//! The checks and repairs of the audit.

use super::{Client, Id, Preparation, QueryResult as _, rows, statements, text};

statements! { "audit";
    cached fn order_versions(after_id: &str, limit: i64) -> Vec<OrderVersion>;
    cached fn order_ids(after_id: &str, limit: i64) -> Vec<Id>;
    once fn raise_order_version(id: &str, version: i64) -> u64;
    once fn raise_product_version(id: &str, version: i64) -> u64;
    once fn mark_order_unprojected(id: &str) -> u64;
    once fn mark_product_unprojected(id: &str) -> u64;
    once fn overdue_order_workflows(ids: &[String], open: &[&str], stuck_after_ms: i64) -> Vec<OverdueWorkflow>;
    once fn is_open(id: &str, open: &[&str]) -> Option<Open>;
    once fn order_statuses(order_id: &str) -> Vec<PastStatus>;
    once fn illegal_transitions(legal: &[String]) -> Vec<IllegalTransition>;
}

rows! {
    struct OrderVersion {
        id: String,
        version: i64,
    }

    struct OverdueWorkflow {
        id: String,
        status: String,
    }

    struct Open {
        is_open: bool,
    }

    struct IllegalTransition {
        order_id: String,
        previous: Option<String>,
        status: String,
    }

    struct PastStatus {
        status: String,
    }

    /// A breach of an invariant.
    struct Breach {
        subject: String,
        detail: String,
    }
}

/// A condition that must always hold.
pub(crate) struct Invariant {
    pub(crate) name: &'static str,
    /// The statement that returns a [`Breach`] for each row that breaks the invariant.
    pub(crate) statement: &'static str,
    #[cfg(test)]
    file: &'static str,
}

#[cfg(test)]
impl Invariant {
    pub(super) fn declared(&self) -> super::Declared {
        super::Declared {
            file: self.file,
            statement: self.statement,
            parameters: super::parameters!((holding: &[&str], ended: &[&str], stuck_after_ms: i64)),
            columns: Vec::<Breach>::columns,
        }
    }
}

macro_rules! invariants {
    ($($name:literal: $file:ident;)*) => {
        &[$(Invariant {
            name: $name,
            statement: text!("audit/invariants" $file),
            #[cfg(test)]
            file: concat!("audit/invariants/", stringify!($file), ".sql"),
        }),*]
    };
}

/// The invariants of every system.
pub(crate) const INVARIANTS: &[Invariant] = invariants! {
    "stock is never below zero": stock_is_not_negative;
    "reserved stock is what orders hold": reserved_is_held;
    "stock is the sum of its movements": stock_is_sum_of_movements;
    "what is sold is what is reserved": sold_is_reserved;
    "an order that waits for a decision holds its offer or nothing": offered_is_held;
    "reservations follow their shipments": reservations_follow_shipments;
    "no reservation outlives its order": reservations_end_with_orders;
    "every unit is in one place": units_are_in_one_place;
    "no more units are given back than were bought": units_given_back_were_bought;
    "returned and written-off units match the refunds": units_follow_refunds;
    "an order ends with its shipments": orders_end_with_shipments;
    "undelivered units are refunded": undelivered_is_refunded;
    "a total is the sum of its lines": total_is_sum_of_lines;
    "an order is captured at most once": captured_at_most_once;
    "what is charged is what was sold": charged_is_sold;
    "what is recorded as paid is what was sold": paid_is_sold;
    "a recorded payment matches the ledger": payments_are_as_charged;
    "the refunded amount is the sum of refunds": refunded_is_sum_of_refunds;
    "a refund is decided soon": refunds_are_decided_soon;
    "no row fails by itself": no_row_fails;
    "money is charged for orders only": charges_are_for_orders;
    "every change is in the history": history_is_complete;
    "the customer is notified of the order's end": customers_are_notified;
};

/// The invariants of a system that has a topic for events.
pub(crate) const TOPIC_INVARIANTS: &[Invariant] = invariants! {
    "every change is published": changes_are_published;
};

/// Returns the breaches of the invariant with this statement. All these statements take the same
/// three parameters, so that this function can run each of them. `holding` are the statuses of
/// orders that hold stock, and `ended` are all final statuses. After `stuck_after_ms` milliseconds,
/// something counts as stuck.
pub(crate) async fn find_breaches(
    client: &dyn Client,
    statement: &str,
    holding: &[&str],
    ended: &[&str],
    stuck_after_ms: i64,
) -> Result<Vec<Breach>, tokio_postgres::Error> {
    Vec::fetch(client, statement, Preparation::Once, &[&holding, &ended, &stuck_after_ms]).await
}

/// As [`find_breaches`], but only of one subject. Postgres applies the condition within the
/// statement, so it reads the rows of this subject only.
pub(crate) async fn find_breaches_of(
    client: &dyn Client,
    statement: &str,
    holding: &[&str],
    ended: &[&str],
    stuck_after_ms: i64,
    subject: &str,
) -> Result<Vec<Breach>, tokio_postgres::Error> {
    let of_one = format!("SELECT subject, detail FROM ({statement}) AS breaches WHERE subject = $4");
    Vec::fetch(client, &of_one, Preparation::Once, &[&holding, &ended, &stuck_after_ms, &subject]).await
}
