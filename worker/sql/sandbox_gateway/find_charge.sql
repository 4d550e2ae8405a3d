-- Reads how a charge stands.
SELECT id::text, state, decline_code
FROM sandbox.charges
WHERE idempotency_key = $1
