-- Lists what the order itself went through: its acceptance, its statuses, its review, its
-- compensation, and a refused cancellation. The texts of customers and staff are left out.
SELECT
    created_at AS at,
    'order' AS subject,
    'ACCEPTED' AS state,
    '' AS detail,
    NULL::bigint AS amount_minor
FROM orders
WHERE id = $1
UNION ALL
SELECT at, 'order', status, 'version ' || version, NULL
FROM order_history
WHERE order_id = $1
UNION ALL
SELECT created_at, 'review', 'REQUESTED', reason, NULL
FROM reviews
WHERE order_id = $1
UNION ALL
SELECT decided_at, 'review', CASE WHEN approved THEN 'APPROVED' ELSE 'DECLINED' END, '', NULL
FROM reviews
WHERE order_id = $1
    AND decided_at IS NOT NULL
UNION ALL
SELECT compensating_since, 'compensation', 'BEGUN', 'the order ends ' || compensating_to, NULL
FROM orders
WHERE id = $1
    AND compensating_since IS NOT NULL
UNION ALL
SELECT cancel_refused_at, 'cancellation', 'REFUSED', 'a parcel had left, or the order had ended', NULL
FROM orders
WHERE id = $1
    AND cancel_refused_at IS NOT NULL
