-- The reserved units of a product are the units that orders hold.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    p.id AS subject,
    format('%s taken from stock, %s held by orders', p.reserved, coalesce(sum(u.held), 0)) AS detail
FROM products p
LEFT JOIN order_units u ON u.product_id = p.id
GROUP BY p.id
HAVING p.reserved <> coalesce(sum(u.held), 0)
