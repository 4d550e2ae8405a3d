-- Records how many units of each line item the customer is offered.
UPDATE order_items i
SET available = a.available
FROM unnest($2::int[], $3::int[]) AS a (line, available)
WHERE i.order_id = $1
    AND i.line = a.line
