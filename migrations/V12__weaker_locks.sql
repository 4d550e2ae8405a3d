-- FOR NO KEY UPDATE instead of FOR UPDATE: nobody changes keys here, and the foreign keys of other orders' rows need not wait for these locks.
-- Nothing else differs from V10.

-- Splits an order that stands at `paid`, and is not being withdrawn, into shipments, unless it is split; answers them with their items.
CREATE OR REPLACE FUNCTION split_order(the_order text, paid text, the_carrier text)
RETURNS TABLE (id text, warehouse text, status text, products text[], quantities bigint[]) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM orders o WHERE o.id = the_order AND o.status = paid AND o.compensating_since IS NULL FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (SELECT FROM shipments s WHERE s.order_id = the_order) THEN
        WITH units AS (
            SELECT p.warehouse, r.product_id, r.quantity - r.returned AS quantity, dense_rank() OVER (ORDER BY p.warehouse) AS number
            FROM reservations r JOIN products p ON p.id = r.product_id
            WHERE r.order_id = the_order AND r.state = 'HELD' AND r.quantity > r.returned
        ), parts AS (
            INSERT INTO shipments (id, order_id, number, warehouse, carrier)
            SELECT DISTINCT the_order || '-' || u.number, the_order, u.number, u.warehouse, the_carrier FROM units u
            RETURNING shipments.id, shipments.number
        )
        INSERT INTO shipment_items (shipment_id, product_id, quantity)
            SELECT s.id, u.product_id, u.quantity FROM parts s JOIN units u ON u.number = s.number;
        UPDATE orders o SET version = o.version + 1 WHERE o.id = the_order;
    END IF;
    RETURN QUERY SELECT s.id, s.warehouse, s.status, array_agg(i.product_id ORDER BY i.product_id), array_agg(i.quantity ORDER BY i.product_id)
        FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id WHERE s.order_id = the_order GROUP BY s.id ORDER BY s.number;
END $$;

-- Records what carriers say of an order's shipments, one row of the arrays each, and moves the order along. A shipment only goes forward: booked, in
-- transit, final; the first final status sticks, and who has handed a parcel over cannot take it back. Its units follow it: committed when it
-- leaves, back in stock when it returns or never leaves. Repeating a call changes nothing.
--
-- Answers where the order stands, the shipments that this call found to be on their way, whether any is still to reach its end, has arrived, has
-- failed. An order with a failed shipment does not become DELIVERED here: it has to be paid back first.
CREATE OR REPLACE FUNCTION move_shipments(the_order text, ids text[], statuses text[], numbers text[], urls text[], reasons text[],
    to_shipped text[], to_delivered text[])
RETURNS TABLE (status text, left_now text[], underway boolean, arrived boolean, failed boolean) LANGUAGE plpgsql AS $$
DECLARE
    shipped boolean;
    moved text[];
    moved_to text[];
    changed bigint;
    version_before bigint;
BEGIN
    -- Locks go from the order to the products by id, as everywhere.
    SELECT o.version INTO version_before FROM orders o WHERE o.id = the_order FOR NO KEY UPDATE;
    WITH said AS (
        SELECT s.id, d.status, d.number, d.url, d.reason, CASE
            WHEN d.status IN ('REFUSED', 'CANCELLED') THEN s.status IN ('PENDING', 'BOOKED')
            WHEN d.status = 'BOOKED' THEN s.status = 'PENDING'
            WHEN d.status = 'IN_TRANSIT' THEN s.status IN ('PENDING', 'BOOKED')
            ELSE s.status IN ('PENDING', 'BOOKED', 'IN_TRANSIT') END AS onward
        FROM unnest(ids, statuses, numbers, urls, reasons) AS d (id, status, number, url, reason)
        JOIN shipments s ON s.id = d.id AND s.order_id = the_order
    ), noted AS (
        UPDATE shipments s SET
            status = CASE WHEN d.onward THEN d.status ELSE s.status END,
            reason = CASE WHEN d.onward THEN d.reason ELSE s.reason END,
            tracking_number = coalesce(s.tracking_number, d.number), tracking_url = coalesce(s.tracking_url, d.url)
        FROM said d WHERE s.id = d.id AND (d.onward OR (s.tracking_number IS NULL AND d.number IS NOT NULL))
        RETURNING s.id, s.status, d.onward
    )
    SELECT count(*), array_agg(n.id) FILTER (WHERE n.onward AND n.status <> 'BOOKED'), array_agg(n.status) FILTER (WHERE n.onward AND n.status <> 'BOOKED'),
        coalesce(array_agg(n.id) FILTER (WHERE n.onward AND n.status = 'IN_TRANSIT'), '{}')
        INTO changed, moved, moved_to, left_now FROM noted n;
    IF moved IS NOT NULL THEN
        PERFORM FROM products p WHERE p.id IN (SELECT i.product_id FROM shipment_items i WHERE i.shipment_id = ANY (moved)) ORDER BY p.id FOR NO KEY UPDATE;
        WITH units AS (
            UPDATE reservations r SET
                state = CASE WHEN m.status IN ('REFUSED', 'CANCELLED') THEN 'RELEASED' ELSE 'COMMITTED' END,
                returned = CASE WHEN m.status = 'RETURNED' THEN r.quantity ELSE r.returned END
            FROM unnest(moved, moved_to) AS m (id, status) JOIN shipment_items i ON i.shipment_id = m.id
                JOIN reservations was ON was.order_id = the_order AND was.product_id = i.product_id
            WHERE r.order_id = the_order AND r.product_id = i.product_id AND (was.state = 'HELD' OR m.status = 'RETURNED')
            RETURNING r.product_id, was.quantity - was.returned AS units, was.state = 'HELD' AS held,
                m.status IN ('RETURNED', 'REFUSED', 'CANCELLED') AS back
        )
        UPDATE products p SET reserved = p.reserved - CASE WHEN u.held THEN u.units ELSE 0 END, stock = p.stock + CASE WHEN u.back THEN u.units ELSE 0 END
            FROM units u WHERE p.id = u.product_id;
    END IF;
    SELECT bool_or(s.status IN ('PENDING', 'BOOKED', 'IN_TRANSIT')), bool_or(s.status = 'DELIVERED'),
        bool_or(s.status IN ('LOST', 'RETURNED', 'REFUSED', 'CANCELLED')), bool_or(s.status IN ('IN_TRANSIT', 'DELIVERED', 'LOST', 'RETURNED'))
        INTO underway, arrived, failed, shipped FROM shipments s WHERE s.order_id = the_order;
    IF shipped THEN
        PERFORM move_order(the_order, 'SHIPPED', to_shipped);
        IF arrived AND NOT underway AND NOT failed THEN
            PERFORM move_order(the_order, 'DELIVERED', to_delivered);
        END IF;
    END IF;
    IF changed > 0 THEN
        UPDATE orders o SET version = o.version + 1 WHERE o.id = the_order AND o.version = version_before;
    END IF;
    SELECT o.status INTO status FROM orders o WHERE o.id = the_order;
    RETURN QUERY SELECT status, left_now, coalesce(underway, false), coalesce(arrived, false), coalesce(failed, false);
END $$;
