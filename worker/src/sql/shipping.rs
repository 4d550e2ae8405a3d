//! Shipments and their tracking events.

use super::{Id, rows, statements};
use time::OffsetDateTime;

statements! { "shipping";
    cached fn split_order(order_id: &str, paid: &str, carrier: &str) -> Vec<OrderPart>;
    cached fn shipments(order_id: &str) -> Vec<Shipment>;
    cached fn move_shipments(TrackingEvents<'a> {
        order_id: &'a str,
        ids: &'a [String],
        statuses: &'a [Option<&'a str>],
        tracking_numbers: &'a [Option<&'a str>],
        tracking_urls: &'a [Option<&'a str>],
        reasons: &'a [Option<&'a str>],
        steps: &'a [String],
        open: &'a [&'a str],
        left_shop: &'a [&'a str],
        to_shipped: &'a [&'a str],
        to_delivered: &'a [&'a str],
        to_completed: &'a [&'a str],
    }) -> MovedShipments;
    cached fn undelivered_shipments(order_id: &str, failed: &[&str]) -> Vec<UndeliveredShipment>;
    cached fn unknown_shipments(order_id: &str, ids: &[String]) -> Vec<Id>;
    cached fn clear_compensation(order_id: &str) -> u64;
}

rows! {
    /// A shipment of an order, with the order's status. An order that is not split has one row
    /// without a shipment.
    struct OrderPart {
        order_status: String,
        id: Option<String>,
        warehouse: Option<String>,
        status: Option<String>,
        products: Option<Vec<String>>,
        quantities: Option<Vec<i64>>,
    }

    struct Shipment {
        id: String,
        warehouse: String,
        status: String,
        products: Vec<String>,
        quantities: Vec<i64>,
        /// How long the shipment has not changed, in seconds.
        quiet_seconds: i64,
    }

    struct MovedShipments {
        /// The order's status; empty if the order is not on record.
        status: String,
        age_ms: Option<i64>,
        has_news: bool,
        underway: bool,
        arrived: bool,
        failed: bool,
    }

    struct UndeliveredShipment {
        id: String,
        status: String,
        reason: Option<String>,
        updated_at: OffsetDateTime,
        products: Vec<String>,
        quantities: Vec<i64>,
    }
}
