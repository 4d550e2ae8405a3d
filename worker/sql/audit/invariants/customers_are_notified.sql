-- A notification about the order's end is recorded within a minute after the end.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT o.id AS subject, format('%s, but no notification of that is recorded', o.status) AS detail
FROM orders o
WHERE o.status = ANY ($2)
    AND o.updated_at < now() - interval '1 minute'
    AND NOT EXISTS (
        SELECT
        FROM notifications n
        WHERE n.order_id = o.id
            AND n.type = CASE
                WHEN o.status <> 'COMPLETED' THEN 'ORDER_' || o.status
                WHEN EXISTS (SELECT FROM shipments s WHERE s.order_id = o.id) THEN 'ORDER_DELIVERED'
                ELSE 'ORDER_CONFIRMED'
            END
    )
