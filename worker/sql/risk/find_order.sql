-- Reads an order's customer and what it comes to.
SELECT customer_id, currency, total_minor
FROM orders
WHERE id = $1
