-- Reads the unpublished events of the orders with the lowest ids, which are the oldest orders.
-- Failing rows that are not due are left out.
SELECT
    h.order_id,
    h.version,
    h.status,
    h.at,
    o.customer_id,
    o.total_minor,
    o.currency,
    o.failure_reason,
    o.traceparent,
    o.status = h.status AS is_current,
    due.is_failing
FROM (
    SELECT
        order_id,
        EXISTS (SELECT FROM failing_rows f WHERE f.loop = 'EVENTS' AND f.row_id = order_id) AS is_failing
    FROM (
        SELECT DISTINCT order_id
        FROM order_history w
        WHERE published_at IS NULL
            AND NOT EXISTS (
                SELECT
                FROM failing_rows f
                WHERE f.loop = 'EVENTS'
                    AND f.row_id = w.order_id
                    AND f.next_attempt_at > now()
            )
        ORDER BY order_id
        LIMIT $1
    ) w
) due
JOIN order_history h ON h.order_id = due.order_id
    AND h.published_at IS NULL
JOIN orders o ON o.id = h.order_id
ORDER BY h.order_id, h.version
LIMIT $2
