-- Reads how long the oldest unpublished event, the oldest pending notification and the oldest
-- unprojected change have waited, in seconds. A lag is NULL if nothing waits. Failing rows do not
-- count. The lag of events is also NULL if events are not published. Only the first 1000 events are
-- searched: the ids of orders rise with time, so the oldest event is normally among them.
SELECT
    (
        SELECT extract(epoch FROM now() - min(at))::bigint
        FROM (
            SELECT at
            FROM order_history w
            WHERE published_at IS NULL
                AND NOT EXISTS (
                    SELECT FROM failing_rows f WHERE f.loop = 'EVENTS' AND f.row_id = w.order_id
                )
            ORDER BY order_id, version
            LIMIT 1000
        ) h
        WHERE $1
    ) AS events,
    (
        SELECT extract(epoch FROM now() - min(due_since))::bigint
        FROM notifications
        WHERE state = 'PENDING'
    ) AS notices,
    extract(epoch FROM now() - least(
        (
            SELECT min(o.updated_at)
            FROM orders o
            WHERE o.projected_version < o.version
                AND NOT EXISTS (
                    SELECT FROM failing_rows f WHERE f.loop = 'PROJECTION_ORDERS' AND f.row_id = o.id
                )
        ),
        (
            SELECT min(p.updated_at)
            FROM products p
            WHERE p.projected_version < p.version
                AND NOT EXISTS (
                    SELECT FROM failing_rows f WHERE f.loop = 'PROJECTION_PRODUCTS' AND f.row_id = p.id
                )
        )
    ))::bigint AS projection
