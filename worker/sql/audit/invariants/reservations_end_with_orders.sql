-- An order that has ended has no units that are held or in transit.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    u.order_id AS subject,
    format('%s, and %s of %s are held, %s on their way', o.status, u.held, u.product_id, u.on_the_way) AS detail
FROM order_units u
JOIN orders o ON o.id = u.order_id
WHERE u.held + u.on_the_way > 0
    AND o.status = ANY ($2)
