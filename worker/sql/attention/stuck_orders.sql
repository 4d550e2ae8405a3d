-- Reads the 10 oldest stuck orders. Each result row also has the total number, up to 1000.
SELECT id, detail, since, count(*) OVER () AS total
FROM (
    SELECT
        id,
        status || CASE WHEN compensating_since IS NULL THEN '' ELSE ', in compensation' END AS detail,
        coalesce(compensating_since, created_at) AS since
    FROM open_orders
    WHERE is_stuck(status, created_at, compensating_since, changed_at, parcels_silent_since, $1, $2)
    ORDER BY since, id
    LIMIT 1000
) s
ORDER BY since, id
LIMIT 10
