-- Records that an order's compensation has begun, with its final status and reason. If the
-- compensation had begun before, nothing changes.
UPDATE orders
SET compensating_since = now(), compensating_to = $2, compensating_reason = $3, version = version + 1
WHERE id = $1
    AND compensating_since IS NULL
