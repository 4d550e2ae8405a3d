//! Refunds and their units.

use super::{rows, statements};
use time::OffsetDateTime;

statements! { "refund";
    once fn find_refund(id: &str, loop_name: &str) -> Option<Refund>;
    once fn insert_refund(NewRefund<'a> {
        id: &'a str,
        order_id: &'a str,
        state: &'a str,
        amount_minor: i64,
        reason: Option<&'a str>,
        failure_reason: Option<&'a str>,
        restock: bool,
        requested_at: OffsetDateTime,
    }) -> u64;
    once fn insert_refund_items(refund_id: &str, products: &[&str], quantities: &[i64]) -> u64;
    once fn refundable_amount(order_id: &str) -> Option<RefundableAmount>;
    once fn refundable_units(order_id: &str) -> Vec<RefundableUnits>;
    once fn succeed_refund(id: &str) -> Option<SucceededRefund>;
    once fn add_to_payment(order_id: &str, amount_minor: i64, refundable: &[&str]) -> u64;
    once fn settle_units(order_id: &str, refund_id: &str) -> u64;
    once fn refuse_refund(id: &str, reason: &str) -> u64;
    once fn record_refusal_count(id: &str, refusals: i32) -> u64;
    cached fn clear_stale_failures(loop_name: &str) -> u64;
    cached fn lease_due_refunds(loop_name: &str, limit: i64, leased_for_ms: i64) -> Vec<DueRefund>;
    cached fn close_pending_refunds(order_id: &str) -> u64;
}

rows! {
    struct Refund {
        state: String,
        amount_minor: i64,
        refusals: i32,
        is_failing: bool,
    }

    struct RefundableAmount {
        rest_minor: i64,
        /// The number of refunds that succeeded or are pending.
        refund_count: i64,
    }

    struct RefundableUnits {
        product_id: String,
        unit_price_minor: i64,
        units_left: i64,
        held: i64,
        on_the_way: i64,
        kept: i64,
    }

    struct SucceededRefund {
        amount_minor: i64,
        restock: bool,
        currency: String,
    }

    struct DueRefund {
        order_id: String,
        id: String,
        amount_minor: i64,
        refusals: i32,
        traceparent: Option<String>,
    }
}
