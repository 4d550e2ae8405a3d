-- Lists open orders that are older than the given number of seconds, oldest first, and tells which
-- are stuck. worker/src/ops/system/stuck.rs explains the rule.
SELECT
    id,
    status,
    extract(epoch FROM now() - created_at)::bigint AS open_seconds,
    extract(epoch FROM now() - compensating_since)::bigint AS compensating_seconds,
    CASE
        WHEN compensating_since IS NOT NULL THEN compensating_since < now() - $1::bigint * interval '1 second'
        ELSE status NOT IN ('ACTION_REQUIRED', 'IN_REVIEW')
            AND created_at < now() - $1::bigint * interval '1 second'
            AND NOT EXISTS (
                SELECT
                FROM order_history h
                WHERE h.order_id = id
                    AND h.at >= now() - $1::bigint * interval '1 second'
            )
            AND NOT (
                status IN ('PAID', 'SHIPPED')
                AND NOT EXISTS (
                    SELECT
                    FROM shipments s
                    WHERE s.order_id = orders.id
                        AND s.status = 'PENDING'
                )
                AND EXISTS (
                    SELECT
                    FROM shipments s
                    WHERE s.order_id = orders.id
                        AND s.status IN ('BOOKED', 'IN_TRANSIT')
                )
                AND NOT EXISTS (
                    SELECT
                    FROM shipments s
                    WHERE s.order_id = orders.id
                        AND s.status IN ('BOOKED', 'IN_TRANSIT')
                        AND s.updated_at < now() - $2::bigint * interval '1 second'
                )
            )
    END AS is_stuck
FROM orders
WHERE status IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED')
    AND created_at < now() - $3::bigint * interval '1 second'
ORDER BY created_at
