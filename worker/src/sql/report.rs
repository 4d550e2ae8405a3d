//! What Postgres knows about one order, for `worker order`.

use super::{rows, statements};
use time::OffsetDateTime;

statements! { "report";
    once fn order(id: &str, stuck_after_s: i64, parcel_silent_after_s: i64) -> Option<Order>;
    once fn related_ids(id: &str) -> Vec<Related>;
    once fn line_items(id: &str) -> Vec<Fact>;
    once fn history(id: &str) -> Vec<Fact>;
    once fn events(id: &str) -> Vec<Fact>;
    once fn money(id: &str) -> Vec<Fact>;
    once fn ledger(id: &str) -> Vec<Fact>;
    once fn stock(id: &str) -> Vec<Fact>;
    once fn parcels(id: &str) -> Vec<Fact>;
    once fn carrier(id: &str) -> Vec<Fact>;
    once fn notices(id: &str) -> Vec<Fact>;
    once fn failing_rows(id: &str) -> Vec<Fact>;
}

rows! {
    struct Order {
        status: String,
        failure_reason: Option<String>,
        total_minor: i64,
        currency: String,
        created_at: OffsetDateTime,
        version: i64,
        is_compensating: bool,
        is_stuck: bool,
    }

    struct Related {
        id: String,
        /// REFUND or SHIPMENT.
        kind: String,
    }

    /// A fact about an order.
    struct Fact {
        /// When it happened. `None`: it is so now.
        at: Option<OffsetDateTime>,
        subject: String,
        state: String,
        detail: String,
        /// In minor units of the order's currency.
        amount_minor: Option<i64>,
    }
}
