//! Notifications to customers. Each one is recorded together with the order's change, and sent
//! later from the record.
//!
//! Recording and sending are separate, so an order never waits for a mail server and never fails
//! because of one. No notification is lost if a process dies between the two steps.

mod amount;
mod delivery;
mod destination;
mod feedback;
mod limits;
mod notice;
mod provider;
pub mod resend;
mod templates;

use crate::{order::TransitionResult, sql::Client, sql::notification as sql};
pub(crate) use delivery::NotificationDispatcher;
pub(crate) use destination::DEFAULT as DEFAULT_SMS_PREFIXES;
pub use destination::Prefix;
pub(crate) use feedback::Feedback;
use orders::{
    OrderStatus,
    activities::{Notice, NoticeKind},
};

/// Records a notification once for each channel that the order's contact allows. Returns the
/// order's status after that. A notification of the kind Confirmed or Delivered also completes the
/// order in the same statement and commits the reservations that the order still holds. If the
/// order's status is not the one that the notification is about, nothing is recorded.
pub(crate) async fn record_notification(client: &dyn Client, notice: Notice) -> anyhow::Result<TransitionResult> {
    let about = match notice.kind {
        NoticeKind::Confirmed | NoticeKind::Delivered => OrderStatus::Completed,
        NoticeKind::ActionRequired => OrderStatus::ActionRequired,
        NoticeKind::InReview => OrderStatus::InReview,
        NoticeKind::Shipped => OrderStatus::Shipped,
        NoticeKind::Failed => OrderStatus::Failed,
        NoticeKind::Cancelled => OrderStatus::Cancelled,
    };
    // Only a completion is recorded together with the order's transition. All other notifications
    // are about the order's present status.
    let (from, from_in_compensation) = match about {
        OrderStatus::Completed => (about.predecessors(), about.predecessors_in_compensation()),
        _ => (Vec::new(), Vec::new()),
    };
    // A new notification must reach the read model. It gets there with the order's transition, or
    // the statement raises the order's version.
    let (id, kind) = (notice.order_id.to_string(), notice.kind.as_str());
    TransitionResult::from_row(&sql::record_notice(client, &id, about.as_str(), &from, &from_in_compensation, kind).await?)
}

/// Records the notification about a refund, once.
pub(crate) async fn record_refund_notification(client: &dyn Client, order_id: &str, refund_id: &str) -> anyhow::Result<()> {
    sql::record_refund_notice(client, order_id, refund_id).await?;
    Ok(())
}
