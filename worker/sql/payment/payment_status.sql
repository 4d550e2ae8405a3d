-- Reads the status of an order's payment.
SELECT status
FROM payments
WHERE order_id = $1
