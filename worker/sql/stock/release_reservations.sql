-- Releases an order's reservations and returns their units to stock.
WITH released AS (
    UPDATE reservations r
    SET state = 'RELEASED'
    WHERE order_id = $1
        AND state = 'HELD'
    RETURNING product_id, quantity - returned AS quantity
)
UPDATE products p
SET stock = p.stock + r.quantity, reserved = p.reserved - r.quantity
FROM released r
WHERE p.id = r.product_id
