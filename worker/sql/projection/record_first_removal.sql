-- Records that a deleted product was removed from the read model for the first time.
UPDATE deleted_products
SET removals = 1, removed_at = now()
WHERE id = $1
    AND version = $2
    AND removals = 0
