-- Reads the units that each line item is offered with.
SELECT product_id, coalesce(available, quantity) AS units
FROM order_items
WHERE order_id = $1
