-- Reads an order's shipments with their units, and the time since each last changed, in seconds.
SELECT
    s.id,
    s.warehouse,
    s.status,
    array_agg(i.product_id) AS products,
    array_agg(i.quantity) AS quantities,
    extract(epoch FROM now() - s.updated_at)::bigint AS quiet_seconds
FROM shipments s
JOIN shipment_items i ON i.shipment_id = s.id
WHERE s.order_id = $1
GROUP BY s.id
ORDER BY s.number
