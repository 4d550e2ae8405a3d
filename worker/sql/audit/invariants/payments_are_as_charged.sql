-- The recorded payment of an order that has ended agrees with the sandbox gateway's ledger.
-- Declined and voided payments count as no payment, because they hold no money. A decline may be in
-- the ledger alone: it is not recorded if the order was cancelled first.
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
