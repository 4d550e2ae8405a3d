-- Records a restock, once, and adds its units to the stock. Reads the stock after that.
WITH recorded AS (
    INSERT INTO restocks (id, product_id, quantity, reason, requested_by, requested_at)
    SELECT $1, p.id, $3, $4, $5, $6
    FROM products p
    WHERE p.id = $2
    ON CONFLICT (id) DO NOTHING
    RETURNING product_id, quantity
), added AS (
    UPDATE products p
    SET stock = p.stock + r.quantity
    FROM recorded r
    WHERE p.id = r.product_id
    RETURNING p.stock
)
SELECT coalesce((SELECT stock FROM added), stock) AS stock
FROM products
WHERE id = $2
