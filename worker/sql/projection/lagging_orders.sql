-- Lists orders that have lagged behind in the read model for at least the given number of
-- milliseconds. Failing rows that are not due are left out.
SELECT id
FROM orders
WHERE projected_version < version
    AND updated_at <= now() - $2::bigint * interval '1 millisecond'
    AND NOT EXISTS (
        SELECT
        FROM failing_rows f
        WHERE f.loop = 'PROJECTION_ORDERS'
            AND f.row_id = orders.id
            AND f.next_attempt_at > now()
    )
ORDER BY updated_at
LIMIT $1
