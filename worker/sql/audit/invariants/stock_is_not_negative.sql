-- Neither the stock nor the reserved units of a product are negative.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT id AS subject, format('stock %s, reserved %s', stock, reserved) AS detail
FROM products
WHERE stock < 0
    OR reserved < 0
