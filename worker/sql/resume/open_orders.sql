-- Lists open orders after a given position, in the order in which they were accepted. Failing rows
-- that are not due are left out.
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
