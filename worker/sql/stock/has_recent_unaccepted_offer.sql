-- Tells whether the customer has another order that was offered in part and then failed or was
-- cancelled. Orders that were accepted more than the given number of milliseconds ago are ignored.
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
) AS has_recent_unaccepted_offer
