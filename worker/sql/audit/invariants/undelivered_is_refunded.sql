-- The price of the units that will not be delivered is refunded, or pending refunds will refund it.
-- Only delivered and completed orders are checked.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    o.id AS subject,
    format(
        '%s of %s not delivered, %s refunded or pending',
        u.price, o.total_minor, p.refunded_minor + w.minor
    ) AS detail
FROM (
    SELECT
        s.order_id,
        sum(i.quantity * (
            SELECT max(l.unit_price_minor)
            FROM order_items l
            WHERE l.order_id = s.order_id
                AND l.product_id = i.product_id
        )) AS price
    FROM shipments s
    JOIN shipment_items i ON i.shipment_id = s.id
    WHERE s.status IN ('LOST', 'RETURNED', 'REFUSED', 'CANCELLED')
    GROUP BY s.order_id
) u
JOIN orders o ON o.id = u.order_id
JOIN payments p ON p.order_id = o.id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_minor), 0) AS minor
    FROM refunds r
    WHERE r.order_id = o.id
        AND r.state = 'PENDING'
) w
WHERE o.status IN ('DELIVERED', 'COMPLETED')
    AND p.refunded_minor + w.minor < u.price
