-- Reads the units of each product that an order holds.
SELECT product_id, quantity
FROM reservations
WHERE order_id = $1
    AND state = 'HELD'
