-- Reads for each product of an order how many of its units belong to no refund, and where its units
-- are. All line items of one product have the same price, because an order with any other price
-- than the catalogue's is refused.
SELECT
    i.product_id,
    i.price AS unit_price_minor,
    i.quantity - coalesce(c.units, 0) AS units_left,
    coalesce(u.held, 0) AS held,
    coalesce(u.on_the_way, 0) AS on_the_way,
    coalesce(u.kept, 0) - coalesce(c.pending, 0) AS kept
FROM (
    SELECT product_id, max(unit_price_minor) AS price, sum(quantity)::bigint AS quantity
    FROM order_items
    WHERE order_id = $1
    GROUP BY 1
) i
LEFT JOIN order_units u ON u.order_id = $1
    AND u.product_id = i.product_id
LEFT JOIN (
    SELECT
        b.product_id,
        sum(b.quantity)::bigint AS units,
        coalesce(sum(b.quantity) FILTER (WHERE r.state = 'PENDING'), 0)::bigint AS pending
    FROM refund_items b
    JOIN refunds r ON r.id = b.refund_id
    WHERE r.order_id = $1
        AND r.state <> 'FAILED'
    GROUP BY 1
) c ON c.product_id = i.product_id
