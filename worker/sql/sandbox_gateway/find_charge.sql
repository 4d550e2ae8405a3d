-- Reads the id, the state and the decline code of a charge.
SELECT id::text, state, decline_code
FROM sandbox.charges
WHERE idempotency_key = $1
