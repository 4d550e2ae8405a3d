-- An order that goes through several statuses at once is written once, and is split where it becomes PAID. What changes a function's answer has a name
-- or arguments of its own: workers of the earlier release call V12's until they are gone.

-- Records a notice, once, for each channel that the order's contact allows (the one that it names, else each that it has an address for) and each of
-- `abouts`, which tell it from the order's others of its kind. Answers how many of the new ones readers see.
CREATE FUNCTION record_notices(the_order text, kind text, abouts text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    seen bigint;
BEGIN
    WITH recorded AS (
        INSERT INTO notifications (order_id, type, channel, state, about)
        SELECT o.id, kind, c.channel, c.state, a.about FROM unnest(abouts) AS a (about), orders o, LATERAL (VALUES
            ('EMAIL', 'PENDING', o.contact_email IS NOT NULL AND coalesce(o.contact_channel, 'EMAIL') = 'EMAIL'),
            ('SMS', 'PENDING', o.contact_phone IS NOT NULL AND coalesce(o.contact_channel, 'SMS') = 'SMS'),
            ('NONE', 'RECORDED', o.contact_email IS NULL AND o.contact_phone IS NULL)
        ) AS c (channel, state, wanted) WHERE o.id = the_order AND c.wanted
        ON CONFLICT DO NOTHING RETURNING channel
    ) SELECT count(*) FILTER (WHERE r.channel <> 'NONE') INTO seen FROM recorded r;
    RETURN seen;
END $$;

-- Splits an order by warehouse into shipments, and records that it is confirmed to the customer. Whoever calls it has locked the order and knows that it
-- is not split; readers see it with the next version of the order.
CREATE FUNCTION make_shipments(the_order text, the_carrier text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
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
    PERFORM record_notices(the_order, 'ORDER_CONFIRMED', '{""}');
END $$;

-- Splits an order that stands at `paid`, and is not being withdrawn, unless it is split; answers its shipments with their items.
CREATE OR REPLACE FUNCTION split_order(the_order text, paid text, the_carrier text)
RETURNS TABLE (id text, warehouse text, status text, products text[], quantities bigint[]) LANGUAGE plpgsql AS $$
BEGIN
    -- Looked at without a lock first: most orders are split when they are paid.
    IF NOT EXISTS (SELECT FROM shipments s WHERE s.order_id = the_order) THEN
        PERFORM FROM orders o WHERE o.id = the_order AND o.status = paid AND o.compensating_since IS NULL FOR NO KEY UPDATE;
        IF FOUND AND NOT EXISTS (SELECT FROM shipments s WHERE s.order_id = the_order) THEN
            PERFORM make_shipments(the_order, the_carrier);
            UPDATE orders o SET version = o.version + 1 WHERE o.id = the_order;
        END IF;
    END IF;
    RETURN QUERY SELECT s.id, s.warehouse, s.status, array_agg(i.product_id ORDER BY i.product_id), array_agg(i.quantity ORDER BY i.product_id)
        FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id WHERE s.order_id = the_order GROUP BY s.id ORDER BY s.number;
END $$;

-- Records what carriers say of an order's shipments, one row of the arrays each, and moves the order along. A shipment only goes forward: booked, in
-- transit, final; the first final status sticks, and who has handed a parcel over cannot take it back. Its units follow it: committed when it
-- leaves, back in stock when it returns or never leaves. Repeating a call changes nothing.
--
-- Answers where the order stands, how long ago it was accepted if this call moved it, whether the customer is to be told of something (of each shipment
-- that this call found to be on its way, and that all have arrived: the notices are recorded here), whether any shipment is still to reach its end, has
-- arrived, has failed. An order of which everything has arrived is complete. One with a failed shipment does not become DELIVERED here: it has to be
-- paid back first.
CREATE FUNCTION move_shipments(the_order text, ids text[], statuses text[], numbers text[], urls text[], reasons text[],
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
            WHERE o.id = the_order RETURNING o.version INTO reached;
        INSERT INTO order_history (order_id, version, status)
            SELECT the_order, reached - cardinality(path) + step.number, step.status FROM unnest(path) WITH ORDINALITY AS step (status, number);
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
