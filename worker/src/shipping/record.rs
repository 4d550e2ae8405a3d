//! The shipments table. Splitting an order and moving its shipments are SQL functions (migrations/functions/split_order.sql, move_shipments.sql), so that each is one call:
//! every order goes through both.

use super::{Parcel, Whereabouts};
use crate::{
    order::Move,
    reason,
    sql::Client,
    sql::{order::Moved, shipping as sql},
};
use anyhow::Context;
use orders::{
    OrderId, OrderStatus,
    refund::{RefundInput, RefundRequest, What},
    shipping::{Scan, ShipmentId, ShipmentStatus},
};
use std::{collections::BTreeMap, time::Duration};

/// Splits a paid order that is not split, since another release took its payment, unless it is being withdrawn. Answers where it stands and its shipments.
pub(crate) async fn split(client: &dyn Client, order_id: OrderId, carrier: &str) -> anyhow::Result<(OrderStatus, Vec<Parcel>)> {
    let parts = sql::split_order(client, &order_id.to_string(), OrderStatus::Paid.as_str(), carrier).await?;
    let status = parts.first().context("the order is not on record")?.order_status.parse()?;
    let parcels = parts
        .into_iter()
        .filter_map(|part| Some(parcel(&part.id?, part.warehouse?, &part.status?, (part.products?, part.quantities?), Duration::ZERO)));
    Ok((status, parcels.collect::<anyhow::Result<_>>()?))
}

/// The shipments of an order.
pub(crate) async fn load(client: &dyn Client, order_id: OrderId) -> anyhow::Result<Vec<Parcel>> {
    let shipments = sql::shipments(client, &order_id.to_string()).await?.into_iter().map(|shipment| {
        let sql::Shipment { id, warehouse, status, products, quantities, quiet_seconds } = shipment;
        let quiet_for = Duration::from_secs(u64::try_from(quiet_seconds).unwrap_or_default());
        parcel(&id, warehouse, &status, (products, quantities), quiet_for)
    });
    shipments.collect()
}

fn parcel(
    id: &str,
    warehouse: String,
    status: &str,
    (products, quantities): (Vec<String>, Vec<i64>),
    quiet_for: Duration,
) -> anyhow::Result<Parcel> {
    let items = products.into_iter().zip(quantities).collect();
    Ok(Parcel { id: id.parse()?, warehouse, status: status.parse()?, items, quiet_for })
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
pub(crate) async fn record(client: &dyn Client, order_id: OrderId, report: &Report) -> anyhow::Result<Outcome> {
    let ids: Vec<String> = report.0.keys().map(ToString::to_string).collect();
    let column = |of: fn(&Whereabouts) -> Option<&str>| -> Vec<Option<&str>> { report.0.values().map(of).collect() };
    let events = sql::TrackingEvents {
        order_id: &order_id.to_string(),
        ids: &ids,
        statuses: &column(|said| Some(said.status.as_str())),
        tracking_numbers: &column(|said| said.tracking_number.as_deref()),
        tracking_urls: &column(|said| said.tracking_url.as_deref()),
        reasons: &column(|said| said.reason.as_deref()),
        to_shipped: &OrderStatus::Shipped.predecessors(),
        to_delivered: &OrderStatus::Delivered.predecessors(),
        to_completed: &OrderStatus::Completed.predecessors(),
    };
    let sql::MovedShipments { status, age_ms, has_news, underway, arrived, failed } = sql::move_shipments(client, events).await?;
    let order = Move::of(&Moved { status, age_ms }).context("the order is not on record")?;
    Ok(Outcome { order, underway, arrived, failed, has_news })
}

/// The refunds that an order's failed shipments lead to; none when the order is being withdrawn, which gives everything back.
pub(crate) async fn undelivered(client: &dyn Client, order_id: OrderId) -> anyhow::Result<Vec<RefundInput>> {
    sql::undelivered_shipments(client, &order_id.to_string()).await?.into_iter().map(refund).collect()
}

fn refund(shipment: sql::UndeliveredShipment) -> anyhow::Result<RefundInput> {
    let id: ShipmentId = shipment.id.parse()?;
    let what = match shipment.status.parse()? {
        ShipmentStatus::Lost => reason::LOST,
        ShipmentStatus::Returned => reason::RETURNED,
        ShipmentStatus::Refused => reason::REFUSED,
        _ => reason::TAKEN_BACK,
    };
    let reason = format!("shipment {} {what}{}", id.number, shipment.reason.map_or_else(String::new, |why| format!(": {why}")));
    let units = shipment.products.into_iter().zip(shipment.quantities).map(|(product, quantity)| Ok((product, i32::try_from(quantity)?)));
    Ok(RefundInput {
        id: id.refund_id(),
        order_id: id.order_id,
        // Its units have followed the shipment already.
        request: RefundRequest { what: What::Undelivered(units.collect::<anyhow::Result<_>>()?), reason: Some(reason), restock: false },
        requested_at: shipment.updated_at,
    })
}

/// Of these ids of shipments, those that are none of the order's.
pub(crate) async fn unknown(client: &dyn Client, order_id: OrderId, ids: &[String]) -> anyhow::Result<Vec<String>> {
    Ok(sql::unknown_shipments(client, &order_id.to_string(), ids).await?.into_iter().map(|unknown| unknown.id).collect())
}

/// Notes that an order is not being withdrawn after all: it came too late.
pub(crate) async fn let_go(client: &dyn Client, order_id: OrderId) -> anyhow::Result<()> {
    sql::clear_compensation(client, &order_id.to_string()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use orders::shipping::ScanEvent::{self, Delivered, InTransit, Lost};
    use time::OffsetDateTime;

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
