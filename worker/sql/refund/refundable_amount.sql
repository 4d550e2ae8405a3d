-- Reads what is captured of an order's payment, is not refunded, and is not about to be; and how many
-- refunds the order has.
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
