-- Commits what an order holds when the order is complete and nothing is shipped: the units are with
-- the customer.
CREATE OR REPLACE FUNCTION commit_reservations(the_order text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Locks products by id, as everywhere.
    PERFORM FROM products p WHERE p.id = ANY (ARRAY(
            SELECT r.product_id FROM reservations r
            WHERE r.order_id = the_order AND r.state = 'HELD'))
        ORDER BY p.id FOR NO KEY UPDATE;
    WITH sold AS (
        UPDATE reservations r
            SET state = 'COMMITTED', written_off = least(r.refunded_early, r.quantity - r.returned)
            WHERE r.order_id = the_order AND r.state = 'HELD'
        RETURNING r.product_id, r.quantity - r.returned AS units
    )
    UPDATE products p SET reserved = p.reserved - s.units FROM sold s WHERE p.id = s.product_id;
END $$;
