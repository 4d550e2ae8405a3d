-- Has an order projected again.
UPDATE orders
SET projected_version = 0
WHERE id = $1
