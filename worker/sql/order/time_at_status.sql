-- Reads how long an order has had its present status, in milliseconds.
SELECT coalesce(extract(epoch FROM now() - max(at)) * 1000, 0)::bigint AS millis
FROM order_history
WHERE order_id = $1
