-- Reads the product and the units of a restock.
SELECT product_id, quantity
FROM restocks
WHERE id = $1
