//! How much customers are told, whatever they order: each message costs money or patience.

use super::{destination::is_allowed, notice::Key};
use crate::{
    config::{NoticeLimits, Notices},
    db,
    sql::notification as sql,
};
use deadpool_postgres::Pool;

/// Why a notice is not sent, though it could be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suppression {
    /// For the metric.
    pub(super) reason: &'static str,
    /// For staff.
    pub(super) text: String,
}

impl Suppression {
    /// It tells of a state that the order has left.
    pub(super) fn out_of_date() -> Self {
        Self { reason: "OUT_OF_DATE", text: "not sent: the order does not wait for this any more".to_owned() }
    }

    /// Why no SMS goes to this number, if none does.
    pub(super) fn of_destination(phone: &str, settings: &Notices) -> Option<Self> {
        let suppression = || Self { reason: "DESTINATION", text: "not sent: SMS_PREFIXES does not allow the number".to_owned() };
        (!is_allowed(phone, &settings.sms_prefixes)).then(suppression)
    }

    fn of_limit(name: &str, limits: &NoticeLimits) -> Self {
        let (reason, limit, what) = match name {
            "RECIPIENT" => ("RECIPIENT", limits.notice_recipient_limit, "messages to one recipient"),
            "CUSTOMER" => ("CUSTOMER", limits.notice_customer_limit, "messages about one customer's orders"),
            "UNPAID_RECIPIENT" => ("UNPAID_RECIPIENT", limits.notice_unpaid_limit, "messages to one recipient about unpaid orders"),
            "UNPAID_CUSTOMER" => ("UNPAID_CUSTOMER", limits.notice_unpaid_limit, "messages about one customer's unpaid orders"),
            _ => ("UNPAID_SMS", limits.sms_unpaid_limit, "SMS about unpaid orders"),
        };
        Self { reason, text: format!("not sent: {limit} {what} within {} s were sent already", limits.notice_window.as_secs()) }
    }
}

/// Counts a notice towards its limits; answers which it is beyond, if any.
pub(super) async fn admit(pool: &Pool, key: &Key, limits: &NoticeLimits) -> anyhow::Result<Option<Suppression>> {
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
    Ok(reached.map(|name| Suppression::of_limit(&name, limits)))
}

/// Forgets the counts of windows that are over.
pub(super) async fn forget(pool: &Pool, limits: &NoticeLimits) -> anyhow::Result<()> {
    let window = i64::try_from(limits.notice_window.as_secs()).unwrap_or(i64::MAX);
    sql::delete_old_counts(&db::connection(pool).await?, window).await?;
    Ok(())
}
