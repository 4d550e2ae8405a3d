//! The table of payments.

use super::{
    order::{Moved, Status},
    rows, statements,
};

statements! { "payment";
    cached fn find_payment(order_id: &str) -> Option<Payment>;
    cached fn record_payment_attempt(order_id: &str, unpaid: &[&str], amount_minor: i64, currency: &str, gateway: &str) -> Attempt;
    cached fn authorize_payment(
        order_id: &str, unpaid: &[&str], amount_minor: i64, currency: &str, gateway: &str, reference: Option<&str>
    ) -> Option<Authorization>;
    cached fn capture_payment(Capture<'a> {
        order_id: &'a str,
        to: &'a str,
        predecessors: &'a [&'a str],
        predecessors_in_compensation: &'a [&'a str],
        amount_minor: i64,
        currency: &'a str,
        gateway: &'a str,
        reference: Option<&'a str>,
        carrier: Option<&'a str>,
    }) -> Moved;
    cached fn decline_payment(order_id: &str, amount_minor: i64, currency: &str, gateway: &str, unpaid: &[&str], open: &[&str]) -> Status;
    cached fn void_payment(order_id: &str, open: &[&str]) -> u64;
    cached fn record_reversal(Reversed<'a> {
        order_id: &'a str,
        status: &'a str,
        amount_minor: i64,
        currency: &'a str,
        gateway: &'a str,
        reference: &'a str,
        refunded_minor: i64,
    }) -> Reversal;
    once fn payment_status(order_id: &str) -> Option<Status>;
    once fn record_gateway_refund(id: &str, order_id: &str, amount_minor: i64) -> u64;
    once fn add_gateway_refund(order_id: &str, amount_minor: i64) -> u64;
}

rows! {
    struct Payment {
        total_minor: i64,
        currency: String,
        gateway_reference: Option<String>,
        gateway: Option<String>,
    }

    struct Attempt {
        gateway: Option<String>,
        gateway_reference: Option<String>,
        attempts: i32,
    }

    struct Authorization {
        /// TAKE, OVER, ELSEWHERE or TOO_LATE; migrations/functions/authorize_payment.sql explains
        /// them.
        permission: String,
        status: String,
    }

    struct Reversal {
        newly_refunded_minor: i64,
    }
}
