-- Leases refunds that are failing rows and due. For the given number of milliseconds, no other
-- worker asks the gateway for them. The row id of a refund contains a space; the other rows of the
-- loop are reversals in compensations.
WITH due AS (
    SELECT loop, row_id
    FROM failing_rows
    WHERE loop = $1
        AND next_attempt_at <= now()
        AND row_id LIKE '% %'
    ORDER BY next_attempt_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE failing_rows f
    SET next_attempt_at = now() + $3::bigint * interval '1 ms'
    FROM due d
    WHERE f.loop = d.loop
        AND f.row_id = d.row_id
    RETURNING f.row_id
)
SELECT r.order_id, r.id, r.amount_minor, r.refusals, o.traceparent
FROM leased l
JOIN refunds r ON r.id = split_part(l.row_id, ' ', 2)
JOIN orders o ON o.id = r.order_id
WHERE r.state = 'PENDING'
