-- Tells whether an order of the customer ended, not long ago, after it had been offered in part.
SELECT EXISTS (
    SELECT
    FROM orders o
    WHERE o.customer_id = $1
        AND o.id <> $2
        AND o.created_at > now() - $3::bigint * interval '1 millisecond'
        AND o.status IN ('FAILED', 'CANCELLED')
        AND EXISTS (
            SELECT
            FROM order_history h
            WHERE h.order_id = o.id
                AND h.status = 'ACTION_REQUIRED'
        )
) AS has_dropped
