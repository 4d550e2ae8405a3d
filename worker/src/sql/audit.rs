//! The checks and repairs of the audit.

use super::{Answer as _, Client, Id, Preparation, rows, statements, text};

statements! { "audit";
    cached fn order_versions(after_id: &str, limit: i64) -> Vec<OrderVersion>;
    cached fn order_ids(after_id: &str, limit: i64) -> Vec<Id>;
    once fn renew_order(id: &str, version: i64) -> u64;
    once fn renew_product(id: &str, version: i64) -> u64;
    once fn project_order_again(id: &str) -> u64;
    once fn project_product_again(id: &str) -> u64;
    once fn left_running(ids: &[String], open: &[&str], stuck_after_ms: i64) -> Vec<LeftRunning>;
    once fn is_open(id: &str, open: &[&str]) -> Option<Open>;
    once fn illegal_steps(legal: &[String]) -> Vec<IllegalStep>;
}

rows! {
    struct OrderVersion {
        id: String,
        version: i64,
    }

    struct LeftRunning {
        id: String,
        status: String,
    }

    struct Open {
        is_open: bool,
    }

    struct IllegalStep {
        order_id: String,
        was: Option<String>,
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
    "what was taken from stock is what orders hold": reserved_is_held;
    "stock is the sum of its movements": stock_is_sum_of_movements;
    "what is sold is what is reserved": sold_is_reserved;
    "what waits for somebody holds what was offered": offered_is_held;
    "reservations follow their shipments": reservations_follow_shipments;
    "no reservation outlives its order": reservations_end_with_orders;
    "every unit is in one place": units_are_in_one_place;
    "no more units are given back than were bought": units_given_back_were_bought;
    "what came back or was written off is what refunds say": units_follow_refunds;
    "an order ends with its shipments": orders_end_with_shipments;
    "what does not arrive is paid back": undelivered_is_refunded;
    "a total is the sum of its lines": total_is_sum_of_lines;
    "an order is captured at most once": captured_at_most_once;
    "what is charged is what was sold": charged_is_sold;
    "what is recorded as paid is what was sold": paid_is_sold;
    "a payment is recorded as the ledger has it": payments_are_as_charged;
    "what is given back is what refunds say": refunded_is_sum_of_refunds;
    "a refund is decided soon": refunds_are_decided_soon;
    "no row fails by itself": no_row_fails;
    "money is charged for orders only": charges_are_for_orders;
    "every change is in the history": history_is_complete;
    "the customer is told how the order ended": customers_are_notified;
};

/// The invariants of a system that has a topic for events.
pub(crate) const INVARIANTS_OF_TOPIC: &[Invariant] = invariants! {
    "other systems are told of every change": changes_are_published;
};

/// Returns the breaches of the invariant with this statement. All these statements take the same
/// three parameters, so that this function can run each of them. `holding` are the statuses of
/// orders that hold stock, and `ended` are all final statuses. After `stuck_after_ms` milliseconds,
/// something counts as stuck.
pub(crate) async fn breaches(
    client: &dyn Client,
    statement: &str,
    holding: &[&str],
    ended: &[&str],
    stuck_after_ms: i64,
) -> Result<Vec<Breach>, tokio_postgres::Error> {
    Vec::of(client, statement, Preparation::Once, &[&holding, &ended, &stuck_after_ms]).await
}
