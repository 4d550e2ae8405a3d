-- Lists open orders that are older than the given number of seconds, oldest first, and shows which
-- are stuck.
SELECT
    id,
    status,
    extract(epoch FROM now() - created_at)::bigint AS open_seconds,
    extract(epoch FROM now() - compensating_since)::bigint AS compensating_seconds,
    is_stuck(status, created_at, compensating_since, changed_at, parcels_silent_since, $1, $2) AS is_stuck
FROM open_orders
WHERE created_at < now() - $3::bigint * interval '1 second'
ORDER BY created_at
