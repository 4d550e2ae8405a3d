-- The stock of a product is the sum of its stock movements.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    p.id AS subject,
    format('stock %s, movements %s', p.stock, coalesce(sum(m.quantity), 0)) AS detail
FROM products p
LEFT JOIN stock_movements m ON m.product_id = p.id
GROUP BY p.id
HAVING p.stock <> coalesce(sum(m.quantity), 0)
