-- The returned and written-off units of a reservation are exactly the units of the order's
-- successful refunds. Units that were refunded before they arrived count as written off. Products
-- in a lost or returned shipment are not checked, because their units follow the shipment.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    u.order_id AS subject,
    format(
        '%s of %s came back, by refunds %s; %s written off, by refunds %s; %s to be, by refunds %s',
        u.returned, u.product_id, f.back, u.written_off, f.gone, u.refunded_early, f.gone
    ) AS detail
FROM reservations r
JOIN order_units u USING (order_id, product_id)
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(i.quantity) FILTER (WHERE f.restock), 0) AS back,
        coalesce(sum(i.quantity) FILTER (WHERE NOT f.restock), 0) AS gone
    FROM refunds f
    JOIN refund_items i ON i.refund_id = f.id
    WHERE f.order_id = u.order_id
        AND i.product_id = u.product_id
        AND f.state = 'SUCCEEDED'
) f
WHERE r.state IN ('HELD', 'COMMITTED')
    AND NOT EXISTS (
        SELECT
        FROM shipments s
        JOIN shipment_items i ON i.shipment_id = s.id
        WHERE s.order_id = u.order_id
            AND i.product_id = u.product_id
            AND s.status IN ('LOST', 'RETURNED')
    )
    AND (u.returned <> f.back OR u.written_off + u.refunded_early <> f.gone)
