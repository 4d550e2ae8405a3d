-- Deletes the record of a deleted product after its second removal from the read model.
DELETE FROM deleted_products
WHERE id = $1
    AND version = $2
