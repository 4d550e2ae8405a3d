-- Moves units from stock to an order's reservations. The products must be locked. The reservations
-- expire after the given number of milliseconds.
WITH wanted AS (
    SELECT product_id, quantity
    FROM unnest($2::text[], $3::bigint[]) AS w (product_id, quantity)
    WHERE quantity > 0
), taken AS (
    UPDATE products p
    SET stock = p.stock - w.quantity, reserved = p.reserved + w.quantity
    FROM wanted w
    WHERE p.id = w.product_id
)
INSERT INTO reservations (order_id, product_id, quantity, expires_at)
SELECT $1, product_id, quantity, now() + $4::bigint * interval '1 millisecond'
FROM wanted
ON CONFLICT (order_id, product_id) DO UPDATE
SET quantity = EXCLUDED.quantity, state = 'HELD', expires_at = EXCLUDED.expires_at
