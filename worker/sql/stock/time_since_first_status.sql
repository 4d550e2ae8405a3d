-- Reads how many milliseconds ago an order first came to a status.
SELECT (extract(epoch FROM clock_timestamp() - min(at)) * 1000)::bigint AS millis
FROM order_history
WHERE order_id = $1
    AND status = $2
