-- Records, once, that a cancellation came too late, if the order has one of the given statuses.
UPDATE orders
SET cancel_refused_at = date_trunc('milliseconds', clock_timestamp()), version = version + 1
WHERE id = $1
    AND cancel_refused_at IS NULL
    AND status = ANY ($2)
