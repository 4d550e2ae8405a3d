-- Moves an order to a status, if it has one of the statuses from which it may come there.
SELECT status, age_ms
FROM move_order($1, $2, $3, $4)
