-- Every charge in the sandbox gateway's ledger belongs to an order.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT e.idempotency_key AS subject, 'charged, but there is no such order' AS detail
FROM sandbox.entries e
LEFT JOIN orders o ON o.id = e.idempotency_key
WHERE o.id IS NULL
