//! Telling the customer: each notice is recorded with the order's change, and delivered from the record.
//!
//! Recording and delivering are apart so that an order never waits for, or fails with, a mail server, and so that no notice is lost when a
//! process dies between the two.

mod amount;
mod delivery;
mod destination;
mod feedback;
mod limits;
mod notice;
mod provider;
mod templates;

use crate::{order::Move, sql::Client, sql::notification as sql};
pub(crate) use delivery::Courier;
pub(crate) use destination::DEFAULT as DEFAULT_SMS_PREFIXES;
pub use destination::Prefix;
pub(crate) use feedback::Feedback;
use orders::{
    OrderStatus,
    activities::{Notice, NoticeKind},
};

/// Records a notice, once, for each channel that the order's contact allows. A confirmation completes the order in the same statement, which sells
/// what it still holds. Nothing is recorded for an order that does not have the status that the notice speaks of.
pub(crate) async fn record(client: &dyn Client, notice: Notice) -> anyhow::Result<Move> {
    let (told, from) = match notice.kind {
        NoticeKind::Confirmed | NoticeKind::Delivered => (OrderStatus::Completed, OrderStatus::Completed.predecessors()),
        // The others move nothing: they tell of where the order stands already.
        NoticeKind::ActionRequired => (OrderStatus::ActionRequired, Vec::new()),
        NoticeKind::InReview => (OrderStatus::InReview, Vec::new()),
        NoticeKind::Shipped => (OrderStatus::Shipped, Vec::new()),
        NoticeKind::Failed => (OrderStatus::Failed, Vec::new()),
        NoticeKind::Cancelled => (OrderStatus::Cancelled, Vec::new()),
    };
    // Readers see the notice with a move of the order, or else with a version of its own.
    let (id, kind) = (notice.order_id.to_string(), notice.kind.as_str());
    Move::of(&sql::record_notice(client, &id, told.as_str(), &from, kind).await?)
}

/// Records the notice of a refund, once.
pub(crate) async fn record_refund(client: &dyn Client, order_id: &str, refund_id: &str) -> anyhow::Result<()> {
    sql::record_refund_notice(client, order_id, refund_id).await?;
    Ok(())
}
