-- Records that an order is not being compensated any more, because the cancellation came too late.
UPDATE orders
SET compensating_since = NULL, compensating_to = NULL, compensating_reason = NULL, version = version + 1
WHERE id = $1
    AND compensating_since IS NOT NULL
