//! An order's shipments in the form in which readers see them.

use super::{TEXT_BYTES, listed, within};
use crate::sql::projection as sql;
use orders::view::{ShipmentItemView, ShipmentView};

/// Returns the order's shipments, each with its items.
pub(super) fn shipments(order: &mut sql::Order) -> anyhow::Result<Vec<ShipmentView>> {
    let (ids, warehouses, statuses) = (order.shipment_ids.take(), order.shipment_warehouses.take(), order.shipment_statuses.take());
    let (carriers, numbers, urls) = (order.shipment_carriers.take(), order.tracking_numbers.take(), order.tracking_urls.take());
    let (reasons, times) = (order.shipment_reasons.take(), order.shipment_times.take());
    let (packed_in, products) = (order.packed_in.take().unwrap_or_default(), order.packed_products.take().unwrap_or_default());
    let quantities = order.packed_quantities.take().unwrap_or_default();
    let columns = listed(ids).zip(listed(warehouses)).zip(listed(statuses)).zip(listed(carriers));
    let columns = columns.zip(listed(numbers)).zip(listed(urls)).zip(listed(reasons)).zip(listed(times));
    columns
        .map(|(((((((id, warehouse), status), carrier), tracking_number), tracking_url), reason), updated_at)| {
            let packed = packed_in.iter().zip(&products).zip(&quantities).filter(|((shipment, _), _)| **shipment == id);
            let items = packed.map(|((_, product_id), quantity)| ShipmentItemView { product_id: product_id.clone(), quantity: *quantity });
            Ok(ShipmentView {
                id: id.parse()?,
                warehouse,
                status: status.parse()?,
                carrier,
                tracking_number: within(tracking_number),
                // A URL that is too long is left out, because a part of a URL leads nowhere.
                tracking_url: tracking_url.filter(|url| url.len() <= 2 * TEXT_BYTES),
                reason: within(reason),
                items: items.collect(),
                updated_at,
            })
        })
        .collect()
}
