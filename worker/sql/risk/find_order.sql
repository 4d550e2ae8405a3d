-- Reads an order's customer, currency and total.
SELECT customer_id, currency, total_minor
FROM orders
WHERE id = $1
