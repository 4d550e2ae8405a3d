-- Moves the units of a refund that succeeded. With `restock` they go back to stock. Otherwise they
-- are written off, at once or on arrival. Units that a carrier lost or returned have moved already.
-- The caller has locked the order.
CREATE OR REPLACE FUNCTION settle_units(the_order text, the_refund text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    back boolean;
BEGIN
    SELECT f.restock INTO back FROM refunds f WHERE f.id = the_refund;
    IF back THEN
        -- A full refund may have been recorded without its units.
        IF NOT EXISTS (SELECT FROM refund_items i WHERE i.refund_id = the_refund) THEN
            PERFORM claim_units(the_order, the_refund);
        END IF;
        -- Locks products by id, as everywhere.
        PERFORM FROM products p WHERE p.id = ANY (ARRAY(
                SELECT i.product_id FROM refund_items i WHERE i.refund_id = the_refund))
            ORDER BY p.id FOR NO KEY UPDATE;
    END IF;
    WITH settled AS (
        UPDATE reservations r SET
            returned = r.returned + CASE WHEN back THEN least(i.quantity, was.kept) ELSE 0 END,
            written_off = r.written_off
                + CASE WHEN back THEN 0 ELSE least(i.quantity, was.kept) END,
            refunded_early = r.refunded_early
                + CASE WHEN back THEN 0
                    ELSE least(i.quantity, was.held + was.on_the_way - was.refunded_early) END
        FROM refund_items i
            JOIN order_units was ON was.order_id = the_order AND was.product_id = i.product_id
        WHERE i.refund_id = the_refund AND r.order_id = the_order AND r.product_id = i.product_id
        RETURNING r.product_id, least(i.quantity, was.kept) AS units
    )
    UPDATE products p SET stock = p.stock + s.units FROM settled s
        WHERE back AND s.units > 0 AND p.id = s.product_id;
END $$;
