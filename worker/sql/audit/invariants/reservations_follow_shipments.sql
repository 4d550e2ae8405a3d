-- The state of a reservation follows from the status of its shipment. A reservation without a
-- shipment is COMMITTED only if the order is COMPLETED, because no carrier ships such an order.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    s.id AS subject,
    format('%s, %s of %s', s.status, coalesce(r.state, 'nothing'), i.product_id) AS detail
FROM shipments s
JOIN shipment_items i ON i.shipment_id = s.id
LEFT JOIN reservations r ON r.order_id = s.order_id
    AND r.product_id = i.product_id
WHERE r.state IS DISTINCT FROM CASE
        WHEN s.status IN ('PENDING', 'BOOKED') THEN 'HELD'
        WHEN s.status IN ('REFUSED', 'CANCELLED') THEN 'RELEASED'
        ELSE 'COMMITTED'
    END
    OR r.in_transit <> (s.status = 'IN_TRANSIT')
    OR (s.status = 'RETURNED' AND r.returned < i.quantity)
    OR (s.status = 'LOST' AND r.returned + r.written_off < i.quantity)
UNION ALL
SELECT
    r.order_id,
    format('%s of %s committed, which is in no shipment', r.quantity, r.product_id)
FROM reservations r
JOIN orders o ON o.id = r.order_id
WHERE r.state = 'COMMITTED'
    AND o.status <> 'COMPLETED'
    AND NOT EXISTS (
        SELECT
        FROM shipments s
        JOIN shipment_items i ON i.shipment_id = s.id
        WHERE s.order_id = r.order_id
            AND i.product_id = r.product_id
    )
