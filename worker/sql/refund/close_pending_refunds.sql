-- Marks an order's pending refunds as succeeded, because the whole payment was refunded with the
-- order.
UPDATE refunds
SET state = 'SUCCEEDED'
WHERE order_id = $1
    AND state = 'PENDING'
