-- The total of an order is the sum of its line items.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    o.id AS subject,
    format('total %s, lines %s', o.total_minor, coalesce(sum(i.quantity * i.unit_price_minor), 0)) AS detail
FROM orders o
LEFT JOIN order_items i ON i.order_id = o.id
GROUP BY o.id
HAVING o.total_minor <> coalesce(sum(i.quantity * i.unit_price_minor), 0)
