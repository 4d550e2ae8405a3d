-- Makes the units of each line item those that were offered.
UPDATE order_items
SET ordered = coalesce(ordered, quantity), quantity = available
WHERE order_id = $1
    AND available < quantity
