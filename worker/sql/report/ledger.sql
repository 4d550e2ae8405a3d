-- Lists what the sandbox gateway's ledger has about the order's charge.
SELECT
    created_at AS at,
    'charge' AS subject,
    'ASKED' AS state,
    'reference ' || id AS detail,
    amount_minor
FROM sandbox.charges
WHERE idempotency_key = $1
UNION ALL
SELECT at, 'money', kind, refund_key, amount_minor
FROM sandbox.entries
WHERE idempotency_key = $1
UNION ALL
SELECT
    NULL,
    'charge',
    state,
    concat_ws(
        ', ',
        'authorizations asked: ' || attempts,
        'captures: ' || captures,
        CASE WHEN refund_attempts > 0 THEN 'refunds: ' || refund_attempts END,
        decline_code
    ),
    amount_minor
FROM sandbox.charges
WHERE idempotency_key = $1
