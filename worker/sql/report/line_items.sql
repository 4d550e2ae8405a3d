-- Lists the line items of an order with their quantities and unit prices.
SELECT
    NULL::timestamptz AS at,
    'line item ' || product_id AS subject,
    quantity::text || ' units' AS state,
    concat_ws(', ', 'first ordered: ' || ordered, 'last offered: ' || available) AS detail,
    unit_price_minor AS amount_minor
FROM order_items
WHERE order_id = $1
ORDER BY line
