-- Lists the order's reservations, and where their units are now. A reservation has the times of its
-- first and of its last change only.
SELECT
    created_at AS at,
    'stock of ' || product_id AS subject,
    'RESERVED' AS state,
    quantity || ' units' AS detail,
    NULL::bigint AS amount_minor
FROM reservations
WHERE order_id = $1
UNION ALL
SELECT
    r.updated_at,
    'stock of ' || r.product_id,
    r.state,
    concat_ws(
        ', ',
        CASE WHEN u.held > 0 THEN u.held || ' held' END,
        CASE WHEN u.on_the_way > 0 THEN u.on_the_way || ' on the way' END,
        CASE WHEN u.kept > 0 THEN u.kept || ' kept by the customer' END,
        CASE WHEN u.returned > 0 THEN u.returned || ' in stock again' END,
        CASE WHEN u.written_off > 0 THEN u.written_off || ' written off' END,
        CASE WHEN r.state = 'HELD' THEN 'for an unpaid order until ' || date_trunc('seconds', r.expires_at AT TIME ZONE 'UTC') || ' UTC' END
    ),
    NULL
FROM reservations r
JOIN order_units u USING (order_id, product_id)
WHERE r.order_id = $1
