-- The newest status in an order's history is the order's status.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    o.id AS subject,
    format('%s, last in the history %s', o.status, coalesce(h.status, 'nothing')) AS detail
FROM orders o
LEFT JOIN LATERAL (
    SELECT status
    FROM order_history
    WHERE order_id = o.id
    ORDER BY version DESC
    LIMIT 1
) h ON true
WHERE h.status IS DISTINCT FROM o.status
