-- Reserves all units of a PENDING order and moves it to RESERVED. If that is not possible, nothing
-- changes: the statement returns no row, or fails with SQLSTATE OF001.
SELECT status, age_ms
FROM reserve_order($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
