//! An order's shipments as readers see them.

use super::{SHIPMENTS_SHOWN, TEXT_BYTES, within};
use orders::view::{ShipmentItemView, ShipmentView};
use time::OffsetDateTime;
use tokio_postgres::Row;

/// To be selected of order `o` beside [`source`].
pub(super) const COLUMNS: &str =
    "s.shipment_ids, s.shipment_warehouses, s.shipment_statuses, s.shipment_carriers, s.tracking_numbers, s.tracking_urls,
    s.shipment_reasons, s.shipment_times, m.packed_in, m.packed_products, m.packed_quantities";
pub(super) fn source() -> String {
    format!(
        "CROSS JOIN LATERAL (
        SELECT array_agg(id ORDER BY number) AS shipment_ids, array_agg(warehouse ORDER BY number) AS shipment_warehouses,
            array_agg(status ORDER BY number) AS shipment_statuses, array_agg(carrier ORDER BY number) AS shipment_carriers,
            array_agg(tracking_number ORDER BY number) AS tracking_numbers, array_agg(tracking_url ORDER BY number) AS tracking_urls,
            array_agg(reason ORDER BY number) AS shipment_reasons, array_agg(updated_at ORDER BY number) AS shipment_times
        FROM (SELECT * FROM shipments WHERE order_id = o.id ORDER BY number LIMIT {SHIPMENTS_SHOWN}) s
    ) s
    CROSS JOIN LATERAL (
        SELECT array_agg(shipment_id ORDER BY product_id) AS packed_in, array_agg(product_id ORDER BY product_id) AS packed_products,
            array_agg(quantity ORDER BY product_id) AS packed_quantities
        FROM shipment_items WHERE shipment_id = ANY (s.shipment_ids)
    ) m"
    )
}

pub(super) fn shipments(row: &Row) -> anyhow::Result<Vec<ShipmentView>> {
    let Some(ids): Option<Vec<String>> = row.try_get("shipment_ids")? else { return Ok(Vec::new()) };
    let (warehouses, statuses): (Vec<String>, Vec<String>) = (row.try_get("shipment_warehouses")?, row.try_get("shipment_statuses")?);
    let carriers: Vec<String> = row.try_get("shipment_carriers")?;
    let texts = |name| row.try_get::<_, Vec<Option<String>>>(name);
    let (numbers, urls, reasons) = (texts("tracking_numbers")?, texts("tracking_urls")?, texts("shipment_reasons")?);
    let times: Vec<OffsetDateTime> = row.try_get("shipment_times")?;
    let (packed_in, products): (Vec<String>, Vec<String>) = (row.try_get("packed_in")?, row.try_get("packed_products")?);
    let quantities: Vec<i64> = row.try_get("packed_quantities")?;
    let columns = ids.iter().zip(warehouses).zip(statuses).zip(carriers).zip(numbers).zip(urls).zip(reasons).zip(times);
    columns
        .map(|(((((((id, warehouse), status), carrier), tracking_number), tracking_url), reason), updated_at)| {
            let packed = packed_in.iter().zip(&products).zip(&quantities).filter(|((shipment, _), _)| *shipment == id);
            let items = packed.map(|((_, product_id), quantity)| ShipmentItemView { product_id: product_id.clone(), quantity: *quantity });
            Ok(ShipmentView {
                id: id.parse()?,
                warehouse,
                status: status.parse()?,
                carrier,
                tracking_number: within(tracking_number),
                // Half an address leads nowhere.
                tracking_url: tracking_url.filter(|url| url.len() <= 2 * TEXT_BYTES),
                reason: within(reason),
                items: items.collect(),
                updated_at,
            })
        })
        .collect()
}
