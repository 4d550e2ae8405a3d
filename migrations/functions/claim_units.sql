-- Records the units of a full refund: all units that no other refund is for.
CREATE OR REPLACE FUNCTION claim_units(the_order text, the_refund text) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO refund_items (refund_id, product_id, quantity)
    SELECT the_refund, u.product_id, u.quantity - coalesce(c.units, 0) FROM order_units u
    LEFT JOIN (
        SELECT i.product_id, sum(i.quantity) AS units
        FROM refund_items i JOIN refunds f ON f.id = i.refund_id
        WHERE f.order_id = the_order AND f.state <> 'FAILED' GROUP BY i.product_id
    ) c USING (product_id)
    WHERE u.order_id = the_order AND u.quantity > coalesce(c.units, 0)
$$;
