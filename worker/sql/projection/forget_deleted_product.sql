-- Deletes the record of a product that was removed from the read model twice.
DELETE FROM deleted_products
WHERE id = $1
    AND version = $2
