-- Reads an order's total in minor units.
SELECT total_minor
FROM orders
WHERE id = $1
