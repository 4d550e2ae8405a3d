-- Makes an order's reservations expire the given number of milliseconds from now.
UPDATE reservations
SET expires_at = now() + $2::bigint * interval '1 millisecond'
WHERE order_id = $1
    AND state = 'HELD'
