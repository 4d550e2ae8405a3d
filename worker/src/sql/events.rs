//! The outbox of events.

use super::{Rows, rows, statements};
use time::OffsetDateTime;

statements! { "events";
    once fn try_lock_outbox(key: i64) -> OutboxLock;
    cached fn next_events(max_orders: i64, max_events: i64) -> Rows<(EventOrder, NextEvent)>;
    cached fn mark_published(order_ids: &[String], versions: &[i64]) -> u64;
}

rows! {
    struct OutboxLock {
        is_locked: bool,
    }

    struct EventOrder {
        order_id: String,
        /// Whether this order is a failing row of the loop.
        is_failing: bool,
    }

    struct NextEvent {
        order_id: String,
        version: i64,
        status: String,
        at: OffsetDateTime,
        customer_id: String,
        total_minor: i64,
        currency: String,
        failure_reason: Option<String>,
        traceparent: Option<String>,
        /// Whether the order still has this status.
        is_current: bool,
    }
}
