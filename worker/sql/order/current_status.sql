-- Reads an order's status without a lock.
SELECT status
FROM orders
WHERE id = $1
