-- Units. Each unit that an order has reserved is, at each moment, in exactly one place: held by the
-- shop, on its way, kept by the customer, returned to stock, or written off. A row of `reservations`
-- keeps `state`, `in_transit`, `returned` and `written_off`; the view `order_units` says what follows.
ALTER TABLE reservations
    -- The COMMITTED units are on their way. False: they have arrived.
    ADD COLUMN in_transit boolean NOT NULL DEFAULT false,
    -- Units that a carrier lost, or that were paid back and do not come back.
    ADD COLUMN written_off bigint NOT NULL DEFAULT 0,
    -- Units that were paid back before they arrived. When they arrive, they are written off.
    ADD COLUMN refunded_early bigint NOT NULL DEFAULT 0;

UPDATE reservations r SET in_transit = true FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id
    WHERE s.order_id = r.order_id AND i.product_id = r.product_id AND s.status = 'IN_TRANSIT' AND r.state = 'COMMITTED';
UPDATE reservations r SET written_off = r.quantity - r.returned FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id
    WHERE s.order_id = r.order_id AND i.product_id = r.product_id AND s.status = 'LOST' AND r.state = 'COMMITTED';

-- A refund of everything named no units. One that brought units back is for those units.
INSERT INTO refund_items (refund_id, product_id, quantity)
    SELECT f.id, r.product_id, r.returned - coalesce(n.units, 0)
    FROM reservations r
    JOIN LATERAL (
        SELECT f.id FROM refunds f WHERE f.order_id = r.order_id AND f.restock AND f.state = 'SUCCEEDED'
            AND NOT EXISTS (SELECT FROM refund_items i WHERE i.refund_id = f.id)
        ORDER BY f.requested_at DESC, f.id LIMIT 1
    ) f ON true
    CROSS JOIN LATERAL (
        SELECT sum(i.quantity) AS units FROM refund_items i JOIN refunds o ON o.id = i.refund_id
        WHERE o.order_id = r.order_id AND o.restock AND o.state = 'SUCCEEDED' AND i.product_id = r.product_id
    ) n
    WHERE r.state = 'COMMITTED' AND r.returned > coalesce(n.units, 0) AND NOT EXISTS (
        SELECT FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id
        WHERE s.order_id = r.order_id AND i.product_id = r.product_id AND s.status = 'RETURNED');

-- Units that were paid back and did not come back.
WITH paid_back AS (
    SELECT f.order_id, i.product_id, sum(i.quantity) AS units FROM refund_items i JOIN refunds f ON f.id = i.refund_id
    WHERE NOT f.restock AND f.state = 'SUCCEEDED' GROUP BY f.order_id, i.product_id
)
UPDATE reservations r SET
    written_off = CASE WHEN r.in_transit OR r.state <> 'COMMITTED' THEN r.written_off ELSE least(p.units, r.quantity - r.returned) END,
    refunded_early = CASE WHEN r.in_transit OR r.state = 'HELD' THEN least(p.units, r.quantity - r.returned) ELSE 0 END
FROM paid_back p WHERE p.order_id = r.order_id AND p.product_id = r.product_id AND r.written_off = 0;

ALTER TABLE reservations
    ADD CONSTRAINT reservations_units_check CHECK (written_off >= 0 AND returned + written_off <= quantity),
    -- Only what has left the building can be on its way, or lost.
    ADD CONSTRAINT reservations_left_check CHECK (state = 'COMMITTED' OR (NOT in_transit AND written_off = 0)),
    ADD CONSTRAINT reservations_refunded_early_check CHECK (refunded_early BETWEEN 0 AND quantity);

-- Where an order's units are. What was released or expired never left, and is in stock again.
CREATE VIEW order_units AS SELECT order_id, product_id, quantity,
    CASE WHEN state = 'HELD' THEN quantity - returned ELSE 0 END AS held,
    CASE WHEN in_transit THEN quantity - returned - written_off ELSE 0 END AS on_the_way,
    CASE WHEN state = 'COMMITTED' AND NOT in_transit THEN quantity - returned - written_off ELSE 0 END AS kept,
    CASE WHEN state IN ('RELEASED', 'EXPIRED') THEN quantity ELSE returned END AS returned,
    written_off,
    CASE WHEN state = 'HELD' OR in_transit THEN refunded_early ELSE 0 END AS refunded_early
    FROM reservations;

-- Where nothing is shipped, an order's units are with the customer when the order is complete.
CREATE OR REPLACE FUNCTION commit_reservations(the_order text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Products by id, as everywhere.
    PERFORM FROM products p WHERE p.id = ANY (ARRAY(SELECT r.product_id FROM reservations r WHERE r.order_id = the_order AND r.state = 'HELD'))
        ORDER BY p.id FOR NO KEY UPDATE;
    WITH sold AS (
        UPDATE reservations r SET state = 'COMMITTED', written_off = least(r.refunded_early, r.quantity - r.returned)
            WHERE r.order_id = the_order AND r.state = 'HELD'
        RETURNING r.product_id, r.quantity - r.returned AS units
    )
    UPDATE products p SET reserved = p.reserved - s.units FROM sold s WHERE p.id = s.product_id;
END $$;

-- Notes for which units a refund of everything is: all that no other refund is for.
CREATE FUNCTION claim_units(the_order text, the_refund text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO refund_items (refund_id, product_id, quantity)
    SELECT the_refund, u.product_id, u.quantity - coalesce(c.units, 0) FROM order_units u
    LEFT JOIN (
        SELECT i.product_id, sum(i.quantity) AS units FROM refund_items i JOIN refunds f ON f.id = i.refund_id
        WHERE f.order_id = the_order AND f.state <> 'FAILED' GROUP BY i.product_id
    ) c USING (product_id)
    WHERE u.order_id = the_order AND u.quantity > coalesce(c.units, 0)
$$;

-- Moves the units of a refund that was given: into stock if they are to be sold again; else they are
-- written off, at once, or when they arrive. Units that a carrier lost or brought back have moved
-- already. Whoever calls it has locked the order.
CREATE FUNCTION settle_units(the_order text, the_refund text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    back boolean;
BEGIN
    SELECT f.restock INTO back FROM refunds f WHERE f.id = the_refund;
    IF back THEN
        -- An earlier release decided on a refund of everything without naming units.
        IF NOT EXISTS (SELECT FROM refund_items i WHERE i.refund_id = the_refund) THEN
            PERFORM claim_units(the_order, the_refund);
        END IF;
        -- Products by id, as everywhere.
        PERFORM FROM products p WHERE p.id = ANY (ARRAY(SELECT i.product_id FROM refund_items i WHERE i.refund_id = the_refund))
            ORDER BY p.id FOR NO KEY UPDATE;
    END IF;
    WITH settled AS (
        UPDATE reservations r SET
            returned = r.returned + CASE WHEN back THEN least(i.quantity, was.kept) ELSE 0 END,
            written_off = r.written_off + CASE WHEN back THEN 0 ELSE least(i.quantity, was.kept) END,
            refunded_early = r.refunded_early
                + CASE WHEN back THEN 0 ELSE least(i.quantity, was.held + was.on_the_way - was.refunded_early) END
        FROM refund_items i JOIN order_units was ON was.order_id = the_order AND was.product_id = i.product_id
        WHERE i.refund_id = the_refund AND r.order_id = the_order AND r.product_id = i.product_id
        RETURNING r.product_id, least(i.quantity, was.kept) AS units
    )
    UPDATE products p SET stock = p.stock + s.units FROM settled s WHERE back AND s.units > 0 AND p.id = s.product_id;
END $$;

-- The release before the last one called this.
DROP FUNCTION move_shipments(text, text[], text[], text[], text[], text[], text[], text[]);

-- Records what carriers say of an order's shipments, one row of the arrays each, and moves the order along. A shipment only goes forward: booked, in
-- transit, final; the first final status sticks, and who has handed a parcel over cannot take it back. Its units follow it: on their way when it
-- leaves; with the customer when it arrives; written off when it is lost; in stock when it returns or never leaves. Repeating a call changes nothing.
--
-- Answers where the order stands, how long ago it was accepted if this call moved it, whether the customer is to be told of something (of each shipment
-- that this call found to be on its way, and that all have arrived: the notices are recorded here), whether any shipment is still to reach its end, has
-- arrived, has failed. An order of which everything has arrived is complete. One with a failed shipment does not become DELIVERED here: it has to be
-- paid back first.
CREATE OR REPLACE FUNCTION move_shipments(the_order text, ids text[], statuses text[], numbers text[], urls text[], reasons text[],
    to_shipped text[], to_delivered text[], to_completed text[])
RETURNS TABLE (status text, age_ms bigint, has_news boolean, underway boolean, arrived boolean, failed boolean) LANGUAGE plpgsql AS $$
DECLARE
    shipped boolean;
    moved text[];
    moved_to text[];
    changed bigint;
    accepted timestamptz;
    reached bigint;
    path text[] = '{}';
    moved_at timestamptz;
    left_now text[];
BEGIN
    -- Locks go from the order to the products by id, as everywhere.
    SELECT o.status, o.created_at INTO status, accepted FROM orders o WHERE o.id = the_order FOR NO KEY UPDATE;
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
        PERFORM FROM products p WHERE p.id = ANY (ARRAY(SELECT i.product_id FROM shipment_items i WHERE i.shipment_id = ANY (moved)))
            ORDER BY p.id FOR NO KEY UPDATE;
        WITH units AS (
            UPDATE reservations r SET
                state = CASE WHEN m.status IN ('REFUSED', 'CANCELLED') THEN 'RELEASED' ELSE 'COMMITTED' END,
                in_transit = m.status = 'IN_TRANSIT',
                returned = CASE WHEN m.status = 'RETURNED' THEN r.quantity ELSE r.returned END,
                written_off = CASE m.status
                    WHEN 'DELIVERED' THEN least(r.refunded_early, r.quantity - r.returned) WHEN 'LOST' THEN r.quantity - r.returned ELSE 0 END
            FROM unnest(moved, moved_to) AS m (id, status) JOIN shipment_items i ON i.shipment_id = m.id
                JOIN reservations was ON was.order_id = the_order AND was.product_id = i.product_id
            WHERE r.order_id = the_order AND r.product_id = i.product_id AND was.state IN ('HELD', 'COMMITTED')
            RETURNING r.product_id, was.quantity - was.returned AS units, was.state = 'HELD' AS held,
                m.status IN ('RETURNED', 'REFUSED', 'CANCELLED') AS back
        )
        UPDATE products p SET reserved = p.reserved - CASE WHEN u.held THEN u.units ELSE 0 END, stock = p.stock + CASE WHEN u.back THEN u.units ELSE 0 END
            FROM units u WHERE p.id = u.product_id AND (u.held OR u.back);
    END IF;
    SELECT bool_or(s.status IN ('PENDING', 'BOOKED', 'IN_TRANSIT')), bool_or(s.status = 'DELIVERED'),
        bool_or(s.status IN ('LOST', 'RETURNED', 'REFUSED', 'CANCELLED')), bool_or(s.status IN ('IN_TRANSIT', 'DELIVERED', 'LOST', 'RETURNED'))
        INTO underway, arrived, failed, shipped FROM shipments s WHERE s.order_id = the_order;
    IF shipped AND status = ANY (to_shipped) THEN
        status = 'SHIPPED';
        path = path || status;
    END IF;
    IF arrived AND NOT underway AND NOT failed THEN
        IF status = ANY (to_delivered) THEN
            status = 'DELIVERED';
            path = path || status;
        END IF;
        IF status = 'DELIVERED' AND status = ANY (to_completed) THEN
            status = 'COMPLETED';
            path = path || status;
        END IF;
    END IF;
    IF path <> '{}' THEN
        -- An order that has arrived is not withdrawn any more.
        UPDATE orders o SET status = path[cardinality(path)], version = o.version + cardinality(path),
                compensating_since = CASE WHEN path[cardinality(path)] <> 'COMPLETED' THEN o.compensating_since END
            WHERE o.id = the_order RETURNING o.version, o.updated_at INTO reached, moved_at;
        INSERT INTO order_history (order_id, version, status, at)
            SELECT the_order, reached - cardinality(path) + step.number, step.status, moved_at FROM unnest(path) WITH ORDINALITY AS step (status, number);
        IF status = 'COMPLETED' THEN
            PERFORM record_notices(the_order, 'ORDER_DELIVERED', '{""}');
        END IF;
        age_ms = extract(epoch FROM clock_timestamp() - accepted) * 1000;
    ELSIF changed > 0 THEN
        UPDATE orders o SET version = o.version + 1 WHERE o.id = the_order;
    END IF;
    IF left_now <> '{}' THEN
        PERFORM record_notices(the_order, 'ORDER_SHIPPED', left_now);
    END IF;
    RETURN QUERY SELECT status, age_ms, left_now <> '{}' OR path[cardinality(path)] IS NOT DISTINCT FROM 'COMPLETED', coalesce(underway, false), coalesce(arrived, false), coalesce(failed, false);
END $$;
