-- Reserves the whole of a PENDING order and moves it to RESERVED, or does nothing.
SELECT status, age_ms
FROM reserve_order($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
