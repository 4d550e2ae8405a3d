-- An order that is RESERVED, PAID, SHIPPED, DELIVERED or COMPLETED has reservations for exactly the
-- units of its line items. Any other order holds nothing. Orders that wait for a decision, and
-- RESERVED orders with an expired reservation, are not checked.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    o.id AS subject,
    format('%s, asked for %s of %s, holds %s', o.status, u.asked, u.product_id, u.holds) AS detail
FROM orders o
JOIN (
    SELECT order_id, product_id, sum(asked) AS asked, sum(holds) AS holds
    FROM (
        SELECT order_id, product_id, quantity AS asked, 0 AS holds
        FROM order_items
        UNION ALL
        SELECT r.order_id, r.product_id, 0, r.quantity
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
    ) l
    GROUP BY order_id, product_id
) u ON u.order_id = o.id
WHERE u.holds <> CASE WHEN o.status = ANY ($1) THEN u.asked ELSE 0 END
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
