-- Counts the stuck orders, and how many of them have a stuck compensation.
SELECT
    count(*) AS orders,
    count(*) FILTER (WHERE compensating_since IS NOT NULL) AS compensations
FROM open_orders
WHERE is_stuck(status, created_at, compensating_since, changed_at, parcels_silent_since, $1, $2)
