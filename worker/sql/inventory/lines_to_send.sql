-- Reads an order's line items of which any unit is left to send.
SELECT line, product_id, quantity
FROM order_items
WHERE order_id = $1
    AND quantity > 0
ORDER BY line
