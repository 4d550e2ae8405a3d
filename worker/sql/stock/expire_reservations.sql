-- Releases an order's expired reservations and returns their units to stock, unless the order's
-- payment is authorized.
WITH released AS (
    UPDATE reservations r
    SET state = 'EXPIRED'
    WHERE order_id = $1
        AND state = 'HELD'
        AND expires_at <= now()
        AND NOT EXISTS (
            SELECT
            FROM payments p
            WHERE p.order_id = r.order_id
                AND p.status = 'AUTHORIZED'
        )
    RETURNING product_id, quantity - returned AS quantity
)
UPDATE products p
SET stock = p.stock + r.quantity, reserved = p.reserved - r.quantity
FROM released r
WHERE p.id = r.product_id
