-- Locks a charge until the transaction ends. Tells whether it is captured and not fully refunded.
SELECT payment_method, state IN ('CAPTURED', 'PARTIALLY_REFUNDED') AS is_captured
FROM sandbox.charges
WHERE idempotency_key = $1
FOR UPDATE
