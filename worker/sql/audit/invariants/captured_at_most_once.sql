-- An order is captured at most once, and never refunded for more than was captured.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    idempotency_key AS subject,
    format('%s captures, %s captured, %s refunded', captures, captured, refunded) AS detail
FROM (
    SELECT
        idempotency_key,
        count(*) FILTER (WHERE kind = 'CAPTURE') AS captures,
        coalesce(sum(amount_minor) FILTER (WHERE kind = 'CAPTURE'), 0) AS captured,
        coalesce(sum(amount_minor) FILTER (WHERE kind = 'REFUND'), 0) AS refunded
    FROM sandbox.entries
    GROUP BY idempotency_key
) e
WHERE captures > 1
    OR refunded > captured
