-- Moves an order to a status, if its present status is one of the permitted predecessors.
SELECT status, age_ms
FROM move_order($1, $2, $3, $4, $5)
