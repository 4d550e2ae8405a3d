-- Reads an order's line items, without those that have no units.
SELECT line, product_id, quantity
FROM order_items
WHERE order_id = $1
    AND quantity > 0
ORDER BY line
