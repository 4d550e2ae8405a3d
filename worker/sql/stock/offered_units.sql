-- Reads how many units of each line item the customer is offered; without an offer, the quantity.
SELECT product_id, coalesce(available, quantity) AS units
FROM order_items
WHERE order_id = $1
