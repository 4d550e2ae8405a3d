-- Gives a product a version above the given one, and marks the product as not projected. The given
-- version is the version in the read model, which accepts only newer versions.
UPDATE products
SET version = greatest(version, $2) + 1, projected_version = 0
WHERE id = $1
