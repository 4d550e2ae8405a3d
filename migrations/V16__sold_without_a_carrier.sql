-- Where nothing is shipped, an order's units are sold when the order is complete: until then they are reserved, and not any longer.
CREATE FUNCTION commit_reservations(the_order text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Products by id, as everywhere.
    PERFORM FROM products p WHERE p.id = ANY (ARRAY(SELECT r.product_id FROM reservations r WHERE r.order_id = the_order AND r.state = 'HELD'))
        ORDER BY p.id FOR NO KEY UPDATE;
    WITH sold AS (
        UPDATE reservations r SET state = 'COMMITTED' WHERE r.order_id = the_order AND r.state = 'HELD'
        RETURNING r.product_id, r.quantity - r.returned AS units
    )
    UPDATE products p SET reserved = p.reserved - s.units FROM sold s WHERE p.id = s.product_id;
END $$;

SELECT commit_reservations(o.id) FROM orders o WHERE o.status = 'COMPLETED'
    AND EXISTS (SELECT FROM reservations r WHERE r.order_id = o.id AND r.state = 'HELD');
