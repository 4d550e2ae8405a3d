-- Splits an order by warehouse into shipments, and records that it is confirmed to the customer.
-- The caller has locked the order, knows that it is not split, and raises its version.
CREATE OR REPLACE FUNCTION make_shipments(the_order text, the_carrier text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH units AS (
        SELECT p.warehouse, r.product_id, r.quantity - r.returned AS quantity,
            dense_rank() OVER (ORDER BY p.warehouse) AS number
        FROM reservations r JOIN products p ON p.id = r.product_id
        WHERE r.order_id = the_order AND r.state = 'HELD' AND r.quantity > r.returned
    ), parts AS (
        INSERT INTO shipments (id, order_id, number, warehouse, carrier)
        SELECT DISTINCT the_order || '-' || u.number, the_order, u.number, u.warehouse, the_carrier
        FROM units u
        RETURNING shipments.id, shipments.number
    )
    INSERT INTO shipment_items (shipment_id, product_id, quantity)
        SELECT s.id, u.product_id, u.quantity FROM parts s JOIN units u ON u.number = s.number;
    PERFORM record_notices(the_order, 'ORDER_CONFIRMED', '{""}');
END $$;
