-- Gives a product a version above the one that the read model has, and has it projected again.
UPDATE products
SET version = greatest(version, $2) + 1, projected_version = 0
WHERE id = $1
