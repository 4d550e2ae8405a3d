//! Notifications to customers.

use super::{Rows, order::Moved, rows, statements};

statements! { "notification";
    cached fn record_notice(order_id: &str, status: &str, predecessors: &[&str], predecessors_in_compensation: &[&str], kind: &str) -> Moved;
    cached fn record_refund_notice(order_id: &str, refund_id: &str) -> u64;
    cached fn lease_due_notices(limit: i64) -> Rows<(NoticeKey, DueNotice)>;
    cached fn record_attempt(Attempt<'a> {
        order_id: &'a str,
        kind: &'a str,
        channel: &'a str,
        about: &'a str,
        state: &'a str,
        provider_id: Option<&'a str>,
        error: Option<&'a str>,
        pause_ms: i64,
        max_age_ms: i64,
    }) -> u64;
    cached fn admit_notice(Admission<'a> {
        order_id: &'a str,
        kind: &'a str,
        channel: &'a str,
        about: &'a str,
        window_seconds: i64,
        recipient_limit: i32,
        customer_limit: i32,
        unpaid_limit: i32,
        unpaid_sms_limit: i32,
    }) -> Admitted;
    once fn delete_old_counts(window_seconds: i64) -> u64;
    cached fn mark_mail(provider_id: &str, state: &str, from: &[&str], reason: &str) -> Option<MarkedMail>;
    cached fn resend_notice(order_id: &str, kind: &str, channel: Option<&str>) -> u64;
}

rows! {
    struct NoticeKey {
        order_id: String,
        kind: String,
        channel: String,
        about: String,
        attempts: i32,
        traceparent: Option<String>,
    }

    struct DueNotice {
        order_id: String,
        kind: String,
        admitted: bool,
        status: String,
        contact_language: String,
        currency: String,
        total_minor: i64,
        recipient: Option<String>,
        reason: Option<String>,
        amount_minor: Option<i64>,
        names: Vec<Option<String>>,
        quantities: Vec<i32>,
        prices: Vec<i64>,
        available: Vec<Option<i32>>,
        carrier: Option<String>,
        tracking_number: Option<String>,
        tracking_url: Option<String>,
    }

    struct Admitted {
        /// The name of the limit that is reached; `None` if the notification may be sent.
        reached: Option<String>,
    }

    struct MarkedMail {
        order_id: String,
        kind: String,
        is_marked: bool,
    }
}
