//! Limits on the number of messages to customers. A limit counts the messages of many orders
//! together, because each message costs money and too many messages annoy their readers.

use super::{destination::is_allowed, notice::NotificationKey};
use crate::{
    config::{NotificationLimits, Notifications},
    db,
    sql::notification as sql,
};
use deadpool_postgres::Pool;

/// Why a notification is suppressed: it is deliberately not sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suppression {
    /// The value for the metric.
    pub(super) reason: &'static str,
    /// The text for staff.
    pub(super) text: String,
}

impl Suppression {
    /// The order has left the status that the notification is about.
    pub(super) fn out_of_date() -> Self {
        Self { reason: "OUT_OF_DATE", text: "the order does not wait for this any more".to_owned() }
    }

    /// The reason if SMS must not be sent to this number; `None` if SMS are allowed.
    pub(super) fn blocked_destination(phone: &str, settings: &Notifications) -> Option<Self> {
        let suppression = || Self { reason: "DESTINATION", text: "SMS_PREFIXES does not allow the number".to_owned() };
        (!is_allowed(phone, &settings.sms_prefixes)).then(suppression)
    }

    fn limit_reached(name: &str, limits: &NotificationLimits) -> Self {
        let (reason, limit, what) = match name {
            "RECIPIENT" => ("RECIPIENT", limits.notice_recipient_limit, "messages to one recipient"),
            "CUSTOMER" => ("CUSTOMER", limits.notice_customer_limit, "messages about one customer's orders"),
            "UNPAID_RECIPIENT" => ("UNPAID_RECIPIENT", limits.notice_unpaid_limit, "messages to one recipient about unpaid orders"),
            "UNPAID_CUSTOMER" => ("UNPAID_CUSTOMER", limits.notice_unpaid_limit, "messages about one customer's unpaid orders"),
            _ => ("UNPAID_SMS", limits.sms_unpaid_limit, "SMS about unpaid orders"),
        };
        Self { reason, text: format!("{limit} {what} within {} s were sent already", limits.notice_window.as_secs()) }
    }
}

/// Counts a notification towards its limits. If a limit is reached, returns the reason not to send
/// it, and the notification does not count.
pub(super) async fn count_towards_limits(
    pool: &Pool,
    key: &NotificationKey,
    limits: &NotificationLimits,
) -> anyhow::Result<Option<Suppression>> {
    let client = db::connection(pool).await?;
    let admission = sql::Admission {
        order_id: &key.order_id,
        kind: &key.kind,
        channel: &key.channel,
        about: &key.about,
        window_seconds: i64::try_from(limits.notice_window.as_secs()).unwrap_or(i64::MAX),
        recipient_limit: limits.notice_recipient_limit,
        customer_limit: limits.notice_customer_limit,
        unpaid_limit: limits.notice_unpaid_limit,
        unpaid_sms_limit: limits.sms_unpaid_limit,
    };
    let reached = sql::admit_notice(&client, admission).await?.reached;
    Ok(reached.map(|name| Suppression::limit_reached(&name, limits)))
}

/// Deletes the counts of past windows.
pub(super) async fn delete_old_counts(pool: &Pool, limits: &NotificationLimits) -> anyhow::Result<()> {
    let window = i64::try_from(limits.notice_window.as_secs()).unwrap_or(i64::MAX);
    sql::delete_old_counts(&db::connection(pool).await?, window).await?;
    Ok(())
}
