-- Gives an order a version above the given one, and marks the order as not projected. The given
-- version is the version in the read model, which accepts only newer versions.
UPDATE orders
SET version = greatest(version, $2) + 1, projected_version = 0
WHERE id = $1
