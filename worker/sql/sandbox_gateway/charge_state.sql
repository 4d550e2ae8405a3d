-- Reads the state of a charge.
SELECT state
FROM sandbox.charges
WHERE idempotency_key = $1
