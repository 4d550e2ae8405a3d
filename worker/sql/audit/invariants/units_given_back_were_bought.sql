-- The refunds of an order are not for more units than the order has. Failed refunds do not count.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    f.order_id AS subject,
    format('%s of %s given back, of %s', f.units, f.product_id, coalesce(b.units, 0)) AS detail
FROM (
    SELECT r.order_id, i.product_id, sum(i.quantity) AS units
    FROM refund_items i
    JOIN refunds r ON r.id = i.refund_id
    WHERE r.state <> 'FAILED'
    GROUP BY r.order_id, i.product_id
) f
LEFT JOIN (
    SELECT order_id, product_id, sum(quantity) AS units
    FROM order_items
    GROUP BY order_id, product_id
) b USING (order_id, product_id)
WHERE f.units > coalesce(b.units, 0)
