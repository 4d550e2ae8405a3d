-- Records tracking events of an order's shipments, and changes the order's status accordingly.
SELECT coalesce(status, '') AS status, age_ms, has_news, underway, arrived, failed
FROM move_shipments($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
