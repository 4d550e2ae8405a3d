-- Records a notification about an order, if the order has the status that the notification is
-- about. If the order's status is one of the given predecessors, the order first moves to that
-- status, and its reservations are committed. If the order does not move, a new notification that
-- readers see raises the order's version.
WITH step AS MATERIALIZED (
    SELECT status, moved, age_ms
    FROM move_order($1, $2, $3, $4)
), notices AS MATERIALIZED (
    SELECT moved, record_notices($1, $5, '{""}') AS seen
    FROM step
    WHERE status = $2
), shown AS (
    UPDATE orders
    SET version = version + 1
    WHERE id = $1
        AND EXISTS (SELECT FROM notices WHERE seen > 0 AND NOT moved)
), sold AS MATERIALIZED (
    SELECT commit_reservations($1)
    FROM step
    WHERE moved
)
SELECT status, age_ms
FROM step
LEFT JOIN sold ON true
