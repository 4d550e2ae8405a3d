//! The shipments table. An SQL function splits an order (migrations/functions/split_order.sql), and
//! another moves its shipments (move_shipments.sql). Every order needs both, so each is only one
//! call to Postgres.

use super::{Parcel, TrackingStatus};
use crate::{
    order::TransitionResult,
    order::reason,
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

/// Splits a paid order into shipments if it has none. It has none if a worker of another release
/// captured its payment. An order that is being compensated is not split. Returns the order's
/// status and its shipments.
pub(crate) async fn split_order(client: &dyn Client, order_id: OrderId, carrier: &str) -> anyhow::Result<(OrderStatus, Vec<Parcel>)> {
    let parts = sql::split_order(client, &order_id.to_string(), OrderStatus::Paid.as_str(), carrier).await?;
    let status = parts.first().context("the order is not on record")?.order_status.parse()?;
    let parcels = parts.into_iter().filter_map(|part| {
        Some(read_parcel(&part.id?, part.warehouse?, &part.status?, (part.products?, part.quantities?), Duration::ZERO))
    });
    Ok((status, parcels.collect::<anyhow::Result<_>>()?))
}

/// The shipments of an order.
pub(crate) async fn load_shipments(client: &dyn Client, order_id: OrderId) -> anyhow::Result<Vec<Parcel>> {
    let shipments = sql::shipments(client, &order_id.to_string()).await?.into_iter().map(|shipment| {
        let sql::Shipment { id, warehouse, status, products, quantities, quiet_seconds } = shipment;
        let quiet_for = Duration::from_secs(u64::try_from(quiet_seconds).unwrap_or_default());
        read_parcel(&id, warehouse, &status, (products, quantities), quiet_for)
    });
    shipments.collect()
}

fn read_parcel(
    id: &str,
    warehouse: String,
    status: &str,
    (products, quantities): (Vec<String>, Vec<i64>),
    quiet_for: Duration,
) -> anyhow::Result<Parcel> {
    let items = products.into_iter().zip(quantities).collect();
    Ok(Parcel { id: id.parse()?, warehouse, status: status.parse()?, items, quiet_for })
}

/// Tracking statuses to record, by shipment. They are answers of the carrier, or tracking events
/// that the carrier or staff reported.
#[derive(Default)]
pub(crate) struct TrackingReport(BTreeMap<ShipmentId, TrackingStatus>);

impl TrackingReport {
    /// Whether the report has a parcel that is in transit or delivered.
    pub(crate) fn has_departed(&self) -> bool {
        self.0.values().any(|tracking| tracking.status.is_out())
    }

    /// Whether the report has another status for this parcel than the one on record.
    pub(crate) fn differs_from(&self, parcel: &Parcel) -> bool {
        self.0.get(&parcel.id).is_some_and(|tracking| tracking.status != parcel.status)
    }

    pub(crate) fn add(&mut self, id: ShipmentId, tracking: TrackingStatus) {
        self.0.insert(id, tracking);
    }
}

impl From<Vec<Scan>> for TrackingReport {
    /// Keeps one tracking event for each shipment: the first final one, or else the last one.
    fn from(scans: Vec<Scan>) -> Self {
        let mut report = Self::default();
        for scan in scans {
            if report.0.get(&scan.shipment_id).is_none_or(|tracking| !tracking.status.is_final()) {
                let tracking = TrackingStatus { reason: scan.reason, ..TrackingStatus::with_status(scan.event.into()) };
                report.add(scan.shipment_id, tracking);
            }
        }
        report
    }
}

/// The status of an order and its shipments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) order: TransitionResult,
    /// True if a shipment has not reached its final status.
    pub(crate) has_open: bool,
    /// True if a shipment was delivered.
    pub(crate) has_delivered: bool,
    /// True if a shipment will not be delivered.
    pub(crate) has_failed: bool,
    /// True if the customer is notified: of a shipment that has just left, or of the completion.
    pub(crate) has_notification: bool,
}

/// Records the tracking statuses of shipments. Shipments only move forward, and their units and the
/// order follow. The customer is notified of each shipment that leaves, and when all have arrived.
/// The arrival of all shipments completes the order.
pub(crate) async fn record_tracking(client: &dyn Client, order_id: OrderId, report: &TrackingReport) -> anyhow::Result<Outcome> {
    let ids: Vec<String> = report.0.keys().map(ToString::to_string).collect();
    let column = |value_of: fn(&TrackingStatus) -> Option<&str>| -> Vec<Option<&str>> { report.0.values().map(value_of).collect() };
    let events = sql::TrackingEvents {
        order_id: &order_id.to_string(),
        ids: &ids,
        statuses: &column(|tracking| Some(tracking.status.as_str())),
        tracking_numbers: &column(|tracking| tracking.tracking_number.as_deref()),
        tracking_urls: &column(|tracking| tracking.tracking_url.as_deref()),
        reasons: &column(|tracking| tracking.reason.as_deref()),
        steps: &ShipmentStatus::steps(),
        open: &ShipmentStatus::open(),
        left_shop: &ShipmentStatus::left_shop(),
        to_shipped: &OrderStatus::Shipped.predecessors(),
        to_delivered: &OrderStatus::Delivered.predecessors(),
        to_completed: &OrderStatus::Completed.predecessors(),
    };
    let sql::MovedShipments { status, age_ms, has_news, underway, arrived, failed } = sql::move_shipments(client, events).await?;
    let order = TransitionResult::from_row(&Moved { status, age_ms }).context("the order is not on record")?;
    Ok(Outcome { order, has_open: underway, has_delivered: arrived, has_failed: failed, has_notification: has_news })
}

/// The refunds for an order's failed shipments. Empty if the order is being compensated, because
/// the compensation refunds everything.
pub(crate) async fn refunds_of_failed_shipments(client: &dyn Client, order_id: OrderId) -> anyhow::Result<Vec<RefundInput>> {
    sql::undelivered_shipments(client, &order_id.to_string(), &ShipmentStatus::failed()).await?.into_iter().map(as_refund).collect()
}

fn as_refund(shipment: sql::UndeliveredShipment) -> anyhow::Result<RefundInput> {
    let id: ShipmentId = shipment.id.parse()?;
    let what = match shipment.status.parse()? {
        ShipmentStatus::Lost => reason::LOST,
        ShipmentStatus::Returned => reason::RETURNED,
        ShipmentStatus::Refused => reason::REFUSED,
        _ => reason::CANCELLED,
    };
    let reason = format!("shipment {} {what}{}", id.number, shipment.reason.map_or_else(String::new, |why| format!(": {why}")));
    let units = shipment.products.into_iter().zip(shipment.quantities).map(|(product, quantity)| Ok((product, i32::try_from(quantity)?)));
    Ok(RefundInput {
        id: id.refund_id(),
        order_id: id.order_id,
        // No restock: the units were already moved together with the shipment.
        request: RefundRequest { what: What::Undelivered(units.collect::<anyhow::Result<_>>()?), reason: Some(reason), restock: false },
        requested_at: shipment.updated_at,
    })
}

/// Returns the ids that do not belong to shipments of the order.
pub(crate) async fn unknown_shipments(client: &dyn Client, order_id: OrderId, ids: &[String]) -> anyhow::Result<Vec<String>> {
    Ok(sql::unknown_shipments(client, &order_id.to_string(), ids).await?.into_iter().map(|unknown| unknown.id).collect())
}

/// Records that an order is no longer being compensated, because the request came too late.
pub(crate) async fn clear_compensation(client: &dyn Client, order_id: OrderId) -> anyhow::Result<()> {
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
        TrackingReport::from(events.iter().map(scan).collect::<Vec<_>>()).0.get(&shipment_id).map(|tracking| tracking.status)
    }

    #[test]
    fn of_several_scans_the_furthest_counts_and_of_several_ends_the_first() {
        assert_eq!(furthest(&[]), None);
        assert_eq!(furthest(&[InTransit, Delivered]), Some(ShipmentStatus::Delivered));
        assert_eq!(furthest(&[Delivered, InTransit]), Some(ShipmentStatus::Delivered));
        assert_eq!(furthest(&[Lost, Delivered]), Some(ShipmentStatus::Lost));
    }
}
