-- Reads the shipments of an order that will not be delivered. There is no row while the order is
-- being compensated.
SELECT
    s.id,
    s.status,
    s.reason,
    s.updated_at,
    array_agg(i.product_id) AS products,
    array_agg(i.quantity) AS quantities
FROM orders o
JOIN shipments s ON s.order_id = o.id
JOIN shipment_items i ON i.shipment_id = s.id
WHERE o.id = $1
    AND o.compensating_since IS NULL
    AND s.status = ANY ($2)
GROUP BY s.id
ORDER BY s.number
