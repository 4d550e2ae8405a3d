-- Reads the trace context of an order.
SELECT traceparent
FROM orders
WHERE id = $1
