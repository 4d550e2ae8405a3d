-- An order that is RESERVED, PAID, SHIPPED, DELIVERED or COMPLETED has reservations for exactly the
-- units of its line items. Any other order holds nothing. Orders that wait for a decision, and
-- RESERVED orders with an expired reservation, are not checked.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    o.id AS subject,
    format(
        '%s, asked for %s of %s, holds %s',
        o.status, coalesce(i.quantity, 0), coalesce(i.product_id, r.product_id), coalesce(r.quantity, 0)
    ) AS detail
FROM orders o
JOIN (
    (
        SELECT order_id, product_id, sum(quantity) AS quantity
        FROM order_items
        GROUP BY order_id, product_id
    ) i
    FULL JOIN (
        SELECT r.*
        FROM reservations r
        JOIN orders o ON o.id = r.order_id
        WHERE r.state = 'HELD'
            OR (
                o.status = ANY ($1)
                AND (
                    r.state = 'COMMITTED'
                    OR EXISTS (
                        SELECT
                        FROM shipments s
                        JOIN shipment_items m ON m.shipment_id = s.id
                        WHERE s.order_id = o.id
                            AND m.product_id = r.product_id
                            AND s.status IN ('REFUSED', 'CANCELLED')
                    )
                )
            )
    ) r USING (order_id, product_id)
) ON order_id = o.id
WHERE coalesce(r.quantity, 0) <> CASE WHEN o.status = ANY ($1) THEN coalesce(i.quantity, 0) ELSE 0 END
    AND o.status NOT IN ('ACTION_REQUIRED', 'IN_REVIEW')
    AND NOT (
        o.status = 'RESERVED'
        AND EXISTS (
            SELECT
            FROM reservations e
            WHERE e.order_id = o.id
                AND e.state = 'EXPIRED'
        )
    )
