-- Ends an order's pending refunds, since all is refunded with the order.
UPDATE refunds
SET state = 'SUCCEEDED'
WHERE order_id = $1
    AND state = 'PENDING'
