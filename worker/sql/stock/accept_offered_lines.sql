-- Changes the quantity of each line item to the offered one, and keeps the quantity first ordered.
UPDATE order_items
SET ordered = coalesce(ordered, quantity), quantity = available
WHERE order_id = $1
    AND available < quantity
