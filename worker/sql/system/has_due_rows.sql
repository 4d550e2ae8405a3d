-- Whether a loop of the worker has something to do now. The conditions are those with which each
-- loop finds its rows. Failing rows count when they are due.
SELECT
    $1 AND EXISTS (
        SELECT
        FROM order_history w
        WHERE published_at IS NULL
            AND NOT EXISTS (
                SELECT
                FROM failing_rows f
                WHERE f.loop = 'EVENTS'
                    AND f.row_id = w.order_id
                    AND f.next_attempt_at > now()
            )
    )
    OR EXISTS (
        SELECT
        FROM notifications n
        WHERE state = 'PENDING'
            AND next_attempt_at <= now()
            AND NOT EXISTS (
                SELECT
                FROM notifications e
                WHERE e.order_id = n.order_id
                    AND e.channel = n.channel
                    AND e.state = 'PENDING'
                    AND (e.created_at, notice_rank(e.type)) < (n.created_at, notice_rank(n.type))
            )
    )
    OR EXISTS (
        SELECT
        FROM orders o
        WHERE projected_version < version
            AND NOT EXISTS (
                SELECT
                FROM failing_rows f
                WHERE f.loop = 'PROJECTION_ORDERS'
                    AND f.row_id = o.id
                    AND f.next_attempt_at > now()
            )
    )
    OR EXISTS (
        SELECT
        FROM products p
        WHERE projected_version < version
            AND NOT EXISTS (
                SELECT
                FROM failing_rows f
                WHERE f.loop = 'PROJECTION_PRODUCTS'
                    AND f.row_id = p.id
                    AND f.next_attempt_at > now()
            )
    )
    OR EXISTS (
        SELECT
        FROM deleted_products
        WHERE removals = 0
            OR removed_at < now() - interval '10 s'
    )
    OR EXISTS (
        SELECT
        FROM failing_rows
        WHERE loop = 'REFUNDS'
            AND next_attempt_at <= now()
            AND row_id LIKE '% %'
    )
    OR EXISTS (
        SELECT
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
    ) AS has_due_rows
