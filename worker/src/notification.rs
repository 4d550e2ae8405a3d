//! Telling the customer: each notice is recorded with the order's change, and delivered from the record.
//!
//! Recording and delivering are apart so that an order never waits for, or fails with, a mail server, and so that no notice is lost when a
//! process dies between the two.

mod amount;
mod delivery;
mod feedback;
mod notice;
mod provider;
mod templates;

use crate::order::Move;
use deadpool_postgres::GenericClient;
pub(crate) use delivery::Courier;
pub(crate) use feedback::Feedback;
use orders::{
    OrderStatus,
    activities::{Notice, NoticeKind},
};

/// The channels that the contact of order `o` allows: the one that it names, else each that it has an address for.
const CHANNELS: &str = "LATERAL (VALUES
        ('EMAIL', 'PENDING', o.contact_email IS NOT NULL AND coalesce(o.contact_channel, 'EMAIL') = 'EMAIL'),
        ('SMS', 'PENDING', o.contact_phone IS NOT NULL AND coalesce(o.contact_channel, 'SMS') = 'SMS'),
        ('NONE', 'RECORDED', o.contact_email IS NULL AND o.contact_phone IS NULL)
    ) AS c (channel, state, wanted)";

/// Raises the order's version with a notice that readers see. Not needed where a move of the order does.
const SHOWN: &str = ", shown AS (
        UPDATE orders SET version = version + 1 WHERE id = $1 AND EXISTS (SELECT FROM notices WHERE channel <> 'NONE')
    )";

/// Records a notice, once, for each channel that the order's contact allows. A confirmation completes the order in the same statement.
/// Nothing is recorded for an order that does not have the status that the notice speaks of.
pub(crate) async fn record(client: &impl GenericClient, notice: Notice) -> anyhow::Result<Move> {
    let (told, from) = match notice.kind {
        NoticeKind::Confirmed | NoticeKind::Delivered => (OrderStatus::Completed, OrderStatus::Completed.predecessors()),
        // The others move nothing: they tell of where the order stands already.
        NoticeKind::ActionRequired => (OrderStatus::ActionRequired, Vec::new()),
        NoticeKind::InReview => (OrderStatus::InReview, Vec::new()),
        NoticeKind::Shipped => (OrderStatus::Shipped, Vec::new()),
        NoticeKind::Failed => (OrderStatus::Failed, Vec::new()),
        NoticeKind::Cancelled => (OrderStatus::Cancelled, Vec::new()),
    };
    let shown = if from.is_empty() { SHOWN } else { "" };
    let statement = client
        .prepare_cached(&format!(
            "WITH step AS MATERIALIZED (
                SELECT status, age_ms FROM move_order($1, $2, $3)
            ), notices AS (
                INSERT INTO notifications (order_id, type, channel, state)
                SELECT o.id, $4, c.channel, c.state FROM step, orders o, {CHANNELS}
                WHERE step.status = $2 AND o.id = $1 AND c.wanted
                ON CONFLICT DO NOTHING RETURNING channel
            ){shown}
            SELECT status, age_ms FROM step"
        ))
        .await?;
    let row = client.query_one(&statement, &[&notice.order_id.to_string(), &told.as_str(), &from, &notice.kind.as_str()]).await?;
    Move::read(&row)
}

/// The statement that records notices of order $1, once each, to stand in a larger one: a notice for each row of a source, whose column `about`
/// tells it from the order's others of this kind.
pub(crate) fn recording(kind: NoticeKind, source: &str) -> String {
    format!(
        "INSERT INTO notifications (order_id, type, channel, state, about)
        SELECT o.id, '{}', c.channel, c.state, source.about FROM {source} AS source, orders o, {CHANNELS} WHERE o.id = $1 AND c.wanted
        ON CONFLICT DO NOTHING",
        kind.as_str()
    )
}

/// Records the notice of a refund, once.
pub(crate) async fn record_refund(client: &impl GenericClient, order_id: &str, refund_id: &str) -> anyhow::Result<()> {
    let statement = client
        .prepare_cached(&format!(
            "INSERT INTO notifications (order_id, type, channel, state, about)
            SELECT o.id, 'ORDER_REFUNDED', c.channel, c.state, $2 FROM orders o, {CHANNELS} WHERE o.id = $1 AND c.wanted
            ON CONFLICT DO NOTHING"
        ))
        .await?;
    client.execute(&statement, &[&order_id, &refund_id]).await?;
    Ok(())
}
