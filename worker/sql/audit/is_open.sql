-- Tells whether an order has one of the open statuses.
SELECT status = ANY ($2) AS is_open
FROM orders
WHERE id = $1
