-- Voids a charge that is undecided or authorized, or refunds the rest of a captured one. Returns
-- the states before and after. An unknown charge is recorded as VOIDED, so a later authorization is
-- refused.
WITH earlier AS (
    SELECT state
    FROM sandbox.charges
    WHERE idempotency_key = $1
), charge AS (
    INSERT INTO sandbox.charges AS c (idempotency_key, amount_minor, currency, state)
    VALUES ($1, 0, $2, 'VOIDED')
    ON CONFLICT (idempotency_key) DO UPDATE
    SET state = CASE
        WHEN c.state IN ('CAPTURED', 'PARTIALLY_REFUNDED') THEN 'REFUNDED'
        WHEN c.state IN ('ATTEMPTED', 'AUTHORIZED') THEN 'VOIDED'
        ELSE c.state
    END
    RETURNING idempotency_key, id::text, amount_minor, currency, state, attempts
), refunded AS (
    SELECT coalesce(sum(amount_minor), 0)::bigint AS already_refunded
    FROM sandbox.entries
    WHERE idempotency_key = $1
        AND kind = 'REFUND'
), entry AS (
    INSERT INTO sandbox.entries (idempotency_key, kind, amount_minor, currency)
    SELECT idempotency_key, 'REFUND', amount_minor - already_refunded, currency
    FROM charge, refunded
    WHERE state = 'REFUNDED'
        AND amount_minor > already_refunded
    ON CONFLICT DO NOTHING
)
SELECT id, state, (SELECT state FROM earlier) AS state_before
FROM charge
