-- Moves the units of a refund that succeeded.
SELECT settle_units($1, $2)
