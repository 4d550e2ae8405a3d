//! The shipments table. Splitting an order and moving its shipments are SQL functions (migrations/functions/split_order.sql, move_shipments.sql), so that each is one call:
//! every order goes through both.

use super::{Parcel, Whereabouts};
use crate::{order::Move, reason};
use anyhow::Context;
use deadpool_postgres::GenericClient;
use orders::{
    OrderId, OrderStatus,
    refund::{RefundInput, RefundRequest, What},
    shipping::{Scan, ShipmentId, ShipmentStatus},
};
use std::{collections::BTreeMap, time::Duration};
use time::OffsetDateTime;
use tokio_postgres::Row;

/// Splits a paid order that is not split, since another release took its payment, unless it is being withdrawn. Answers where it stands and its shipments.
pub(crate) async fn split(client: &impl GenericClient, order_id: OrderId, carrier: &str) -> anyhow::Result<(OrderStatus, Vec<Parcel>)> {
    let statement = client
        .prepare_cached(
            "WITH parts AS MATERIALIZED (SELECT * FROM split_order($1, $2, $3))
            SELECT p.id, p.warehouse, p.status, p.products, p.quantities, o.status FROM orders o LEFT JOIN parts p ON true WHERE o.id = $1",
        )
        .await?;
    let rows = client.query(&statement, &[&order_id.to_string(), &OrderStatus::Paid.as_str(), &carrier]).await?;
    let status = rows.first().context("the order is not on record")?.try_get::<_, &str>(5)?.parse()?;
    let parcels = rows.iter().filter(|row| row.try_get::<_, &str>(0).is_ok()).map(parcel);
    Ok((status, parcels.collect::<anyhow::Result<_>>()?))
}

/// The shipments of an order.
pub(crate) async fn load(client: &impl GenericClient, order_id: OrderId) -> anyhow::Result<Vec<Parcel>> {
    let statement = client
        .prepare_cached(
            "SELECT s.id, s.warehouse, s.status, array_agg(i.product_id), array_agg(i.quantity),
                extract(epoch FROM now() - s.updated_at)::bigint
            FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id WHERE s.order_id = $1 GROUP BY s.id ORDER BY s.number",
        )
        .await?;
    let rows = client.query(&statement, &[&order_id.to_string()]).await?;
    rows.iter().map(|row| Ok(Parcel { quiet_for: seconds(row.try_get(5)?), ..parcel(row)? })).collect()
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

fn parcel(row: &Row) -> anyhow::Result<Parcel> {
    Ok(Parcel {
        id: row.try_get::<_, &str>(0)?.parse()?,
        warehouse: row.try_get(1)?,
        status: row.try_get::<_, &str>(2)?.parse()?,
        items: items(row, 3)?,
        quiet_for: Duration::ZERO,
    })
}

/// Units by product, of two columns of arrays.
fn items(row: &Row, column: usize) -> anyhow::Result<BTreeMap<String, i64>> {
    let (products, quantities): (Vec<String>, Vec<i64>) = (row.try_get(column)?, row.try_get(column + 1)?);
    Ok(products.into_iter().zip(quantities).collect())
}

/// What is to be recorded of shipments: what carriers said when they were asked, or what they said by themselves.
#[derive(Default)]
pub(crate) struct Report(BTreeMap<ShipmentId, Whereabouts>);

impl Report {
    pub(crate) fn is_any_out(&self) -> bool {
        self.0.values().any(|said| said.status.is_out())
    }

    /// Whether it tells something else of a parcel than is on record.
    pub(crate) fn is_news_of(&self, parcel: &Parcel) -> bool {
        self.0.get(&parcel.id).is_some_and(|said| said.status != parcel.status)
    }

    pub(crate) fn add(&mut self, id: ShipmentId, said: Whereabouts) {
        self.0.insert(id, said);
    }
}

impl From<Vec<Scan>> for Report {
    /// Of several scans of a shipment the one that is furthest on; of several ends the first.
    fn from(scans: Vec<Scan>) -> Self {
        let mut report = Self::default();
        for scan in scans {
            if report.0.get(&scan.shipment_id).is_none_or(|said| !said.status.is_final()) {
                let said = Whereabouts { reason: scan.reason, ..Whereabouts::at(scan.event.into()) };
                report.add(scan.shipment_id, said);
            }
        }
        report
    }
}

/// Where an order and its shipments stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) order: Move,
    /// A shipment has yet to come to its end.
    pub(crate) underway: bool,
    /// A shipment has been delivered.
    pub(crate) arrived: bool,
    /// A shipment will not be delivered.
    pub(crate) failed: bool,
    /// The customer is to be told of a shipment that left just now, or that all have arrived.
    pub(crate) has_news: bool,
}

/// Records what carriers say: shipments go forward, their units and the order follow, and the customer is told of each that is on its way, and when all
/// have arrived, which completes the order.
pub(crate) async fn record(client: &impl GenericClient, order_id: OrderId, report: &Report) -> anyhow::Result<Outcome> {
    let statement = client
        .prepare_cached(
            "SELECT coalesce(status, '') AS status, age_ms, has_news, underway, arrived, failed FROM move_shipments($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .await?;
    let ids: Vec<String> = report.0.keys().map(ToString::to_string).collect();
    let column = |of: fn(&Whereabouts) -> Option<&str>| -> Vec<Option<&str>> { report.0.values().map(of).collect() };
    let row = client
        .query_one(
            &statement,
            &[
                &order_id.to_string(),
                &ids,
                &column(|said| Some(said.status.as_str())),
                &column(|said| said.tracking_number.as_deref()),
                &column(|said| said.tracking_url.as_deref()),
                &column(|said| said.reason.as_deref()),
                &OrderStatus::Shipped.predecessors(),
                &OrderStatus::Delivered.predecessors(),
                &OrderStatus::Completed.predecessors(),
            ],
        )
        .await?;
    Ok(Outcome {
        order: Move::read(&row).context("the order is not on record")?,
        underway: row.try_get("underway")?,
        arrived: row.try_get("arrived")?,
        failed: row.try_get("failed")?,
        has_news: row.try_get("has_news")?,
    })
}

/// The refunds that an order's failed shipments lead to; none when the order is being withdrawn, which gives everything back.
pub(crate) async fn undelivered(client: &impl GenericClient, order_id: OrderId) -> anyhow::Result<Vec<RefundInput>> {
    let statement = client
        .prepare_cached(
            "SELECT s.id, s.status, s.reason, s.updated_at, array_agg(i.product_id), array_agg(i.quantity)
            FROM orders o JOIN shipments s ON s.order_id = o.id JOIN shipment_items i ON i.shipment_id = s.id
            WHERE o.id = $1 AND o.compensating_since IS NULL AND s.status IN ('LOST', 'RETURNED', 'REFUSED', 'CANCELLED')
            GROUP BY s.id ORDER BY s.number",
        )
        .await?;
    client.query(&statement, &[&order_id.to_string()]).await?.iter().map(refund).collect()
}

fn refund(row: &Row) -> anyhow::Result<RefundInput> {
    let id: ShipmentId = row.try_get::<_, &str>(0)?.parse()?;
    let what = match row.try_get::<_, &str>(1)?.parse()? {
        ShipmentStatus::Lost => reason::LOST,
        ShipmentStatus::Returned => reason::RETURNED,
        ShipmentStatus::Refused => reason::REFUSED,
        _ => reason::TAKEN_BACK,
    };
    let why: Option<String> = row.try_get(2)?;
    let reason = format!("shipment {} {what}{}", id.number, why.map_or_else(String::new, |why| format!(": {why}")));
    let units = items(row, 4)?.into_iter().map(|(product, quantity)| Ok((product, i32::try_from(quantity)?)));
    let requested_at: OffsetDateTime = row.try_get(3)?;
    Ok(RefundInput {
        id: id.refund_id(),
        order_id: id.order_id,
        // Its units have followed the shipment already.
        request: RefundRequest { what: What::Undelivered(units.collect::<anyhow::Result<_>>()?), reason: Some(reason), restock: false },
        requested_at,
    })
}

/// Of these ids of shipments, those that are none of the order's.
pub(crate) async fn unknown(client: &impl GenericClient, order_id: OrderId, ids: &[String]) -> anyhow::Result<Vec<String>> {
    let statement = client
        .prepare_cached(
            "SELECT DISTINCT i.id FROM unnest($2::text[]) AS i (id)
            WHERE NOT EXISTS (SELECT FROM shipments s WHERE s.order_id = $1 AND s.id = i.id)",
        )
        .await?;
    client.query(&statement, &[&order_id.to_string(), &ids]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Notes that an order is not being withdrawn after all: it came too late.
pub(crate) async fn let_go(client: &impl GenericClient, order_id: OrderId) -> anyhow::Result<()> {
    let statement = client
        .prepare_cached(
            "UPDATE orders SET compensating_since = NULL, compensating_to = NULL, compensating_reason = NULL, version = version + 1 WHERE id = $1 AND compensating_since IS NOT NULL",
        )
        .await?;
    client.execute(&statement, &[&order_id.to_string()]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use orders::shipping::ScanEvent::{self, Delivered, InTransit, Lost};

    fn furthest(events: &[ScanEvent]) -> Option<ShipmentStatus> {
        let shipment_id = "ord_01930000000070008000000000000001-1".parse().unwrap();
        let scan = |event: &ScanEvent| Scan { shipment_id, event: *event, at: OffsetDateTime::UNIX_EPOCH, reason: None };
        Report::from(events.iter().map(scan).collect::<Vec<_>>()).0.get(&shipment_id).map(|said| said.status)
    }

    #[test]
    fn of_several_scans_the_furthest_counts_and_of_several_ends_the_first() {
        assert_eq!(furthest(&[]), None);
        assert_eq!(furthest(&[InTransit, Delivered]), Some(ShipmentStatus::Delivered));
        assert_eq!(furthest(&[Delivered, InTransit]), Some(ShipmentStatus::Delivered));
        assert_eq!(furthest(&[Lost, Delivered]), Some(ShipmentStatus::Lost));
    }
}
