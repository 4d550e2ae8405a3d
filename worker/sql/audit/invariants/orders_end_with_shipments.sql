-- When an order has ended or is delivered, each of its shipments has a final status. No shipment of
-- a failed or cancelled order was delivered.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT s.id AS subject, format('%s, and the order is %s', s.status, o.status) AS detail
FROM shipments s
JOIN orders o ON o.id = s.order_id
WHERE (o.status = ANY ($2 || '{DELIVERED}') AND s.status IN ('PENDING', 'BOOKED', 'IN_TRANSIT'))
    OR (o.status IN ('FAILED', 'CANCELLED') AND s.status = 'DELIVERED')
