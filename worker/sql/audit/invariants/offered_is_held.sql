-- An order that waits for a decision holds exactly the units that its customer was offered. It may
-- also hold nothing: a reservation can expire, and some offers are not held.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    o.id AS subject,
    format('%s of %s held, %s offered', coalesce(r.quantity, 0), i.product_id, i.offered) AS detail
FROM orders o
JOIN (
    SELECT order_id, product_id, sum(coalesce(available, quantity)) AS offered
    FROM order_items
    GROUP BY order_id, product_id
) i ON i.order_id = o.id
JOIN reservations r ON r.order_id = o.id
    AND r.product_id = i.product_id
    AND r.state = 'HELD'
WHERE o.status IN ('ACTION_REQUIRED', 'IN_REVIEW')
    AND r.quantity <> i.offered
