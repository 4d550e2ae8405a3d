-- Moves the units of a refund that was given.
SELECT settle_units($1, $2)
