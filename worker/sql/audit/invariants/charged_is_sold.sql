-- The sandbox gateway's net charge of a delivered or completed order is the order's total minus its
-- refunds. A failed or cancelled order has no net charge.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    o.id AS subject,
    format('%s, net charge %s, due %s', o.status, coalesce(e.net, 0), due) AS detail
FROM orders o
LEFT JOIN payments p ON p.order_id = o.id
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN o.status IN ('DELIVERED', 'COMPLETED') THEN o.total_minor - coalesce(p.refunded_minor, 0)
        ELSE 0
    END AS due
) d
LEFT JOIN (
    SELECT idempotency_key, sum(CASE kind WHEN 'CAPTURE' THEN amount_minor ELSE -amount_minor END) AS net
    FROM sandbox.entries
    GROUP BY idempotency_key
) e ON e.idempotency_key = o.id
WHERE o.status = ANY ($2 || '{DELIVERED}')
    AND coalesce(p.gateway, 'sandbox') = 'sandbox'
    AND coalesce(e.net, 0) <> due
