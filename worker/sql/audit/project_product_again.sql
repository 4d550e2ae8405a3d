-- Has a product projected again.
UPDATE products
SET projected_version = 0
WHERE id = $1
