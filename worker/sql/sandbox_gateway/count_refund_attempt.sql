-- Counts an attempt to refund a charge.
UPDATE sandbox.charges
SET refund_attempts = refund_attempts + 1
WHERE idempotency_key = $1
RETURNING refund_attempts
