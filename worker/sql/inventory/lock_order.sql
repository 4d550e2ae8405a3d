-- Locks an order until the transaction ends, and reads its customer and the reason of a maintenance.
SELECT status, customer_id, (SELECT reason FROM maintenance) AS maintenance
FROM orders
WHERE id = $1
FOR NO KEY UPDATE
