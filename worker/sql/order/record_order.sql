-- Records an accepted order with its line items and the first status of its history. If the order
-- was recorded before, nothing changes and its status is returned. There is no row if this call
-- recorded the order.
WITH recorded AS (
    INSERT INTO orders (
        id, customer_id, status, total_minor, currency, contact_email, contact_phone, created_at, updated_at,
        contact_channel, contact_language, payment_method, traceparent
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $12, $13, nullif($14, ''), $15)
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), history AS (
    INSERT INTO order_history (order_id, version, status, at)
    SELECT id, 1, $3, $8
    FROM recorded
), lines AS (
    INSERT INTO order_items (order_id, line, product_id, quantity, unit_price_minor)
    SELECT recorded.id, item.line, item.product_id, item.quantity, item.unit_price_minor
    FROM recorded,
        unnest($9::text[], $10::int[], $11::bigint[])
            WITH ORDINALITY AS item (product_id, quantity, unit_price_minor, line)
)
SELECT status
FROM orders
WHERE id = $1
