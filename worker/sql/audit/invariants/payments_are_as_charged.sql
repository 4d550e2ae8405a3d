-- A payment is recorded as the ledger has it. A decline stays unrecorded if the order was cancelled before it was
-- recorded; in either case nothing is held.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    o.id AS subject,
    format('payment %s, ledger %s', coalesce(p.status, 'none'), coalesce(c.state, 'none')) AS detail
FROM orders o
LEFT JOIN payments p ON p.order_id = o.id
LEFT JOIN sandbox.charges c ON c.idempotency_key = o.id
WHERE o.status = ANY ($2)
    AND coalesce(p.gateway, 'sandbox') = 'sandbox'
    AND coalesce(nullif(nullif(p.status, 'VOIDED'), 'DECLINED'), 'NONE')
        <> coalesce(nullif(nullif(c.state, 'VOIDED'), 'DECLINED'), 'NONE')
