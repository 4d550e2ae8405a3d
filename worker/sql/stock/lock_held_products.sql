-- Locks the products that an order holds, in the order of their ids, until the transaction ends.
SELECT
FROM products
WHERE id IN (
    SELECT product_id
    FROM reservations
    WHERE order_id = $1
        AND state = 'HELD'
)
ORDER BY id
FOR NO KEY UPDATE
