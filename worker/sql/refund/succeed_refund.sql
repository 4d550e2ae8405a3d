-- Records, once, that a pending refund succeeded. If its units do not go back to stock, a trigger
-- writes them off.
UPDATE refunds
SET state = 'SUCCEEDED'
WHERE id = $1
    AND state = 'PENDING'
RETURNING
    amount_minor,
    restock,
    (SELECT o.currency FROM orders o WHERE o.id = order_id) AS currency
