-- Splits an order into shipments unless it is split, if its status is `paid` and it is not being
-- compensated. Answers its shipments with their items.
CREATE OR REPLACE FUNCTION split_order(the_order text, paid text, the_carrier text)
RETURNS TABLE (id text, warehouse text, status text, products text[], quantities bigint[])
LANGUAGE plpgsql AS $$
BEGIN
    -- The first look takes no lock: most orders are split when they are paid.
    IF NOT EXISTS (SELECT FROM shipments s WHERE s.order_id = the_order) THEN
        PERFORM FROM orders o
            WHERE o.id = the_order AND o.status = paid AND o.compensating_since IS NULL
            FOR NO KEY UPDATE;
        IF FOUND AND NOT EXISTS (SELECT FROM shipments s WHERE s.order_id = the_order) THEN
            PERFORM make_shipments(the_order, the_carrier);
            UPDATE orders o SET version = o.version + 1 WHERE o.id = the_order;
        END IF;
    END IF;
    RETURN QUERY SELECT s.id, s.warehouse, s.status, array_agg(i.product_id ORDER BY i.product_id),
        array_agg(i.quantity ORDER BY i.product_id)
        FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id
        WHERE s.order_id = the_order GROUP BY s.id ORDER BY s.number;
END $$;
