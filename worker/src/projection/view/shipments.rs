//! An order's shipments in the form in which readers see them.

use super::{MAX_TEXT_BYTES, truncated, values_or_empty};
use crate::sql::projection as sql;
use orders::view::{ShipmentItemView, ShipmentView};

/// Returns the order's shipments, each with its items.
pub(super) fn build_shipment_views(order: &mut sql::Order) -> anyhow::Result<Vec<ShipmentView>> {
    let (ids, warehouses, statuses) = (order.shipment_ids.take(), order.shipment_warehouses.take(), order.shipment_statuses.take());
    let (carriers, numbers, urls) = (order.shipment_carriers.take(), order.tracking_numbers.take(), order.tracking_urls.take());
    let (reasons, times) = (order.shipment_reasons.take(), order.shipment_times.take());
    let (packed_in, products) = (order.packed_in.take().unwrap_or_default(), order.packed_products.take().unwrap_or_default());
    let quantities = order.packed_quantities.take().unwrap_or_default();
    let columns = values_or_empty(ids).zip(values_or_empty(warehouses)).zip(values_or_empty(statuses)).zip(values_or_empty(carriers));
    let columns =
        columns.zip(values_or_empty(numbers)).zip(values_or_empty(urls)).zip(values_or_empty(reasons)).zip(values_or_empty(times));
    columns
        .map(|(((((((id, warehouse), status), carrier), tracking_number), tracking_url), reason), updated_at)| {
            let packed = packed_in.iter().zip(&products).zip(&quantities).filter(|((shipment, _), _)| **shipment == id);
            let items = packed.map(|((_, product_id), quantity)| ShipmentItemView { product_id: product_id.clone(), quantity: *quantity });
            Ok(ShipmentView {
                id: id.parse()?,
                warehouse,
                status: status.parse()?,
                carrier,
                tracking_number: truncated(tracking_number),
                // A URL that is too long is left out, because a part of a URL leads nowhere.
                tracking_url: tracking_url.filter(|url| url.len() <= 2 * MAX_TEXT_BYTES),
                reason: truncated(reason),
                items: items.collect(),
                updated_at,
            })
        })
        .collect()
}
