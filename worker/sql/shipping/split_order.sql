-- Splits a paid order into shipments, unless it is split already. Reads the order's status and its
-- shipments.
WITH parts AS MATERIALIZED (
    SELECT *
    FROM split_order($1, $2, $3)
)
SELECT p.id, p.warehouse, p.status, p.products, p.quantities, o.status AS order_status
FROM orders o
LEFT JOIN parts p ON true
WHERE o.id = $1
