-- Lists open orders in the order of their acceptance from a position on, without those that failed and are not due.
SELECT id, created_at
FROM orders
WHERE status IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED')
    AND (created_at, id) > ($1, $2)
    AND NOT EXISTS (
        SELECT
        FROM failing_rows f
        WHERE f.loop = 'LOST_WORKFLOWS'
            AND f.row_id = orders.id
            AND f.next_attempt_at > now()
    )
ORDER BY created_at, id
LIMIT $3
