//! The table of orders, their line items and their history.

use super::{rows, statements};
use time::OffsetDateTime;

statements! { "order";
    cached fn record_order(NewOrder<'a> {
        id: &'a str,
        customer_id: &'a str,
        status: &'a str,
        total_minor: i64,
        currency: &'a str,
        contact_email: Option<&'a str>,
        contact_phone: Option<&'a str>,
        accepted_at: OffsetDateTime,
        products: &'a [&'a str],
        quantities: &'a [i32],
        unit_prices_minor: &'a [i64],
        contact_channel: Option<&'a str>,
        contact_language: &'a str,
        payment_method: &'a str,
        traceparent: Option<&'a str>,
    }) -> Option<Status>;
    once fn find_trace(id: &str) -> Option<Trace>;
    once fn begin_compensation(id: &str, to: &str, reason: &str) -> u64;
    cached fn find_order_facts(id: &str) -> Option<OrderFacts>;
    cached fn line_items(id: &str) -> Vec<LineItem>;
    cached fn lock_order(id: &str) -> Option<Status>;
    cached fn current_status(id: &str) -> Option<Status>;
    cached fn time_at_status(id: &str) -> TimeAtStatus;
    cached fn total(id: &str) -> Option<Total>;
    cached fn raise_version(id: &str) -> u64;
    cached fn refuse_cancellation(id: &str, from: &[&str]) -> u64;
    cached fn move_order(
        id: &str, to: &str, predecessors: &[&str], predecessors_in_compensation: &[&str], reason: Option<&str>
    ) -> Option<Moved>;
}

rows! {
    struct Status {
        status: String,
    }

    struct Trace {
        traceparent: Option<String>,
    }

    /// The order's status after a statement that may move it.
    struct Moved {
        status: String,
        /// The time since the order was accepted, in milliseconds; `None` if the statement did not
        /// move the order.
        age_ms: Option<i64>,
    }

    /// The facts from which an order's workflow continues.
    struct OrderFacts {
        status: String,
        total_minor: i64,
        currency: String,
        payment_method: String,
        is_compensating: bool,
        compensating_to: Option<String>,
        compensating_reason: Option<String>,
    }

    struct LineItem {
        product_id: String,
        quantity: i32,
        unit_price_minor: i64,
    }

    struct TimeAtStatus {
        millis: i64,
    }

    struct Total {
        total_minor: i64,
    }
}
