-- Marks a product as not projected. The projector then writes it again.
UPDATE products
SET projected_version = 0
WHERE id = $1
