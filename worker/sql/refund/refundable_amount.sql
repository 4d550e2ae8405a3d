-- Reads the part of an order's captured payment that is neither refunded nor claimed by a pending
-- refund, in minor units. Also reads the number of refunds that succeeded or are pending.
SELECT
    p.amount_minor - p.refunded_minor - coalesce((
        SELECT sum(r.amount_minor)
        FROM refunds r
        WHERE r.order_id = p.order_id
            AND r.state = 'PENDING'
    ), 0)::bigint AS rest_minor,
    (
        SELECT count(*)
        FROM refunds r
        WHERE r.order_id = p.order_id
            AND r.state <> 'FAILED'
    ) AS refund_count
FROM payments p
WHERE p.order_id = $1
    AND p.status IN ('CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED')
