-- Reads an order's line items by their number.
SELECT product_id, quantity, unit_price_minor
FROM order_items
WHERE order_id = $1
ORDER BY line
