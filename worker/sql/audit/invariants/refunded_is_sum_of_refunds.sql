-- The refunded amount of a completed order's payment is the sum of its successful refunds.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    p.order_id AS subject,
    format('%s refunded, refunds of %s', p.refunded_minor, coalesce(sum(r.amount_minor), 0)) AS detail
FROM payments p
JOIN orders o ON o.id = p.order_id
LEFT JOIN refunds r ON r.order_id = p.order_id
    AND r.state = 'SUCCEEDED'
WHERE o.status = 'COMPLETED'
GROUP BY p.order_id
HAVING p.refunded_minor <> coalesce(sum(r.amount_minor), 0)
