-- Lists unpaid orders with expired reservations. Failing rows that are not due are left out. The
-- statuses are literals, because only then does Postgres use the index of unpaid orders.
SELECT o.id
FROM orders o
WHERE o.status IN ('ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED')
    AND EXISTS (
        SELECT
        FROM reservations r
        WHERE r.order_id = o.id
            AND r.state = 'HELD'
            AND r.expires_at <= now()
            AND NOT EXISTS (
                SELECT
                FROM payments p
                WHERE p.order_id = r.order_id
                    AND p.status = 'AUTHORIZED'
            )
    )
    AND NOT EXISTS (
        SELECT
        FROM failing_rows f
        WHERE f.loop = 'EXPIRY'
            AND f.row_id = o.id
            AND f.next_attempt_at > now()
    )
LIMIT $1
