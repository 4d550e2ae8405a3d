-- Lists the order's events for other systems. An event without a time is still in the outbox.
SELECT
    published_at AS at,
    'event ' || status AS subject,
    CASE WHEN published_at IS NULL THEN 'WAITING' ELSE 'PUBLISHED' END AS state,
    'version ' || version || CASE WHEN published_at IS NULL THEN ', since ' || date_trunc('seconds', at AT TIME ZONE 'UTC') || ' UTC' ELSE '' END AS detail,
    NULL::bigint AS amount_minor
FROM order_history
WHERE order_id = $1
ORDER BY version
