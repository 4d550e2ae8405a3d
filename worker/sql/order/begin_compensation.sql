-- Records that an order's compensation has begun, and how it is to end, unless it had begun before.
UPDATE orders
SET compensating_since = now(), compensating_to = $2, compensating_reason = $3, version = version + 1
WHERE id = $1
    AND compensating_since IS NULL
