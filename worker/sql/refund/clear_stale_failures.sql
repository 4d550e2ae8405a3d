-- Clears the failures of refunds that are no longer pending, and of orders that are no longer being
-- compensated.
DELETE FROM failing_rows f
WHERE f.loop = $1
    AND NOT EXISTS (
        SELECT
        FROM refunds r
        WHERE r.id = split_part(f.row_id, ' ', 2)
            AND r.state = 'PENDING'
    )
    AND NOT EXISTS (
        SELECT
        FROM orders o
        WHERE o.id = f.row_id
            AND o.compensating_since IS NOT NULL
            AND o.status IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED')
    )
