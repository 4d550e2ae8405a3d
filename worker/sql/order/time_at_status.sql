-- Reads for how many milliseconds an order has had its status.
SELECT coalesce(extract(epoch FROM now() - max(at)) * 1000, 0)::bigint AS millis
FROM order_history
WHERE order_id = $1
