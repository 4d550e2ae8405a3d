-- Locks an order until the transaction ends. Reads its status, its customer, and the reason of the
-- maintenance, if maintenance is on.
SELECT status, customer_id, (SELECT reason FROM maintenance) AS maintenance
FROM orders
WHERE id = $1
FOR NO KEY UPDATE
