-- Reads the time since an order first had a status, in milliseconds; NULL if it never had the
-- status.
SELECT (extract(epoch FROM clock_timestamp() - min(at)) * 1000)::bigint AS millis
FROM order_history
WHERE order_id = $1
    AND status = $2
