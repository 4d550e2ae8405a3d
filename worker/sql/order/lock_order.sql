-- Locks an order until the transaction ends, and reads its status.
SELECT status
FROM orders
WHERE id = $1
FOR NO KEY UPDATE
