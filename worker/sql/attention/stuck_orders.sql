-- Reads the 10 oldest stuck orders. Each result row also has the total number. At most 1000 orders
-- are searched and counted. worker/src/ops/system/stuck.rs explains the rule.
SELECT id, detail, since, count(*) OVER () AS total
FROM (
    SELECT
        id,
        status || CASE WHEN compensating_since IS NULL THEN '' ELSE ', in compensation' END AS detail,
        coalesce(compensating_since, created_at) AS since
    FROM orders
    WHERE status IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED')
        AND CASE
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
        END
    LIMIT 1000
) s
ORDER BY since, id
LIMIT 10
