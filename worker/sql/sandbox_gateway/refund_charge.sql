-- Refunds a part of a captured charge, once for each refund key, if the charge has that much left.
WITH earlier AS (
    SELECT
        coalesce(sum(amount_minor), 0)::bigint AS already_refunded,
        coalesce(bool_or(refund_key = $2), false) AS is_done
    FROM sandbox.entries
    WHERE idempotency_key = $1
        AND kind = 'REFUND'
), charge AS (
    UPDATE sandbox.charges c
    SET state = CASE WHEN already_refunded + $3 = c.amount_minor THEN 'REFUNDED' ELSE 'PARTIALLY_REFUNDED' END
    FROM earlier
    WHERE c.idempotency_key = $1
        AND c.state IN ('CAPTURED', 'PARTIALLY_REFUNDED')
        AND NOT is_done
        AND already_refunded + $3 <= c.amount_minor
    RETURNING c.idempotency_key, c.currency
), entry AS (
    INSERT INTO sandbox.entries (idempotency_key, kind, refund_key, amount_minor, currency)
    SELECT idempotency_key, 'REFUND', $2, $3, currency
    FROM charge
    RETURNING 1
)
SELECT is_done OR EXISTS (SELECT FROM entry) AS is_refunded
FROM earlier
