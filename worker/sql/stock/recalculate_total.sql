-- Sets an order's total to the sum of its line items.
UPDATE orders
SET total_minor = (
    SELECT sum(quantity * unit_price_minor)
    FROM order_items
    WHERE order_id = $1
)
WHERE id = $1
