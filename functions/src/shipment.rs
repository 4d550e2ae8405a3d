//! The tracking events of shipments.

pub mod scan_shipment;
pub(crate) mod scans;
