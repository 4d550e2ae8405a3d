-- Captures an authorized charge, once, and counts how often the capture was requested.
WITH charge AS (
    UPDATE sandbox.charges
    SET captures = captures + 1,
        state = CASE state WHEN 'AUTHORIZED' THEN 'CAPTURED' ELSE state END
    WHERE idempotency_key = $1
    RETURNING idempotency_key, amount_minor, currency, state, payment_method, captures
), entry AS (
    INSERT INTO sandbox.entries (idempotency_key, kind, amount_minor, currency)
    SELECT idempotency_key, 'CAPTURE', amount_minor, currency
    FROM charge
    WHERE state = 'CAPTURED'
    ON CONFLICT DO NOTHING
)
SELECT state, payment_method, captures
FROM charge
