-- Locks products in the order of their ids until the transaction ends, and reads them.
SELECT id, name, price_minor, currency, stock
FROM products
WHERE id = ANY ($1)
ORDER BY id
FOR NO KEY UPDATE
