-- Records tracking events of an order's shipments, and moves the order on. The arrays have one
-- element for each event. `steps` are the permitted transitions of a shipment, as FROM>TO; an event
-- that needs another one changes nothing. The units of a shipment follow it: in transit when it
-- leaves, with the customer when it arrives, written off when it is lost, in stock when it returns
-- or never leaves. Repeating a call changes nothing.
--
-- `open` are the statuses of a shipment that has not ended, `left_shop` those of a shipment that
-- left the shop.
--
-- Answers:
--   status    the order's status
--   age_ms    the order's age, if this call moved it
--   has_news  whether the customer is notified: of each shipment that left, or of the completion
--   underway  whether a shipment has not reached its final status
--   arrived   whether a shipment was delivered
--   failed    whether a shipment was not delivered
--
-- An order is complete when everything was delivered. An order with a failed shipment does not
-- become DELIVERED here, because it must be refunded first.
--
-- The statements find rows by keys alone, so a generic plan serves them all. A new plan for each
-- call would cost half of the call.
CREATE OR REPLACE FUNCTION move_shipments(
    the_order text, ids text[], statuses text[], numbers text[], urls text[], reasons text[],
    steps text[], open text[], left_shop text[],
    to_shipped text[], to_delivered text[], to_completed text[]
) RETURNS TABLE (
    status text, age_ms bigint, has_news boolean, underway boolean, arrived boolean, failed boolean
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
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
    -- Locks the order, then the products by id, as everywhere.
    SELECT o.status, o.created_at INTO status, accepted
        FROM orders o WHERE o.id = the_order FOR NO KEY UPDATE;
    WITH said AS (
        SELECT s.id, d.status, d.number, d.url, d.reason,
            s.status || '>' || d.status = ANY (steps) AS onward
        FROM unnest(ids, statuses, numbers, urls, reasons) AS d (id, status, number, url, reason)
        JOIN shipments s ON s.id = d.id AND s.order_id = the_order
    ), noted AS (
        UPDATE shipments s SET
            status = CASE WHEN d.onward THEN d.status ELSE s.status END,
            reason = CASE WHEN d.onward THEN d.reason ELSE s.reason END,
            tracking_number = coalesce(s.tracking_number, d.number),
            tracking_url = coalesce(s.tracking_url, d.url)
        FROM said d WHERE s.id = d.id
            AND (d.onward OR (s.tracking_number IS NULL AND d.number IS NOT NULL))
        RETURNING s.id, s.status, d.onward
    )
    SELECT count(*), array_agg(n.id) FILTER (WHERE n.onward AND n.status <> 'BOOKED'),
        array_agg(n.status) FILTER (WHERE n.onward AND n.status <> 'BOOKED'),
        coalesce(array_agg(n.id) FILTER (WHERE n.onward AND n.status = 'IN_TRANSIT'), '{}')
        INTO changed, moved, moved_to, left_now FROM noted n;
    IF moved IS NOT NULL THEN
        PERFORM FROM products p WHERE p.id = ANY (ARRAY(
                SELECT i.product_id FROM shipment_items i WHERE i.shipment_id = ANY (moved)))
            ORDER BY p.id FOR NO KEY UPDATE;
        WITH units AS (
            UPDATE reservations r SET
                state = CASE WHEN m.status IN ('REFUSED', 'CANCELLED')
                    THEN 'RELEASED' ELSE 'COMMITTED' END,
                in_transit = m.status = 'IN_TRANSIT',
                returned = CASE WHEN m.status = 'RETURNED' THEN r.quantity ELSE r.returned END,
                written_off = CASE m.status
                    WHEN 'DELIVERED' THEN least(r.refunded_early, r.quantity - r.returned)
                    WHEN 'LOST' THEN r.quantity - r.returned ELSE 0 END
            FROM unnest(moved, moved_to) AS m (id, status)
                JOIN shipment_items i ON i.shipment_id = m.id
                JOIN reservations was
                    ON was.order_id = the_order AND was.product_id = i.product_id
            WHERE r.order_id = the_order AND r.product_id = i.product_id
                AND was.state IN ('HELD', 'COMMITTED')
            RETURNING r.product_id, was.quantity - was.returned AS units,
                was.state = 'HELD' AS held, m.status IN ('RETURNED', 'REFUSED', 'CANCELLED') AS back
        )
        UPDATE products p SET
            reserved = p.reserved - CASE WHEN u.held THEN u.units ELSE 0 END,
            stock = p.stock + CASE WHEN u.back THEN u.units ELSE 0 END
            FROM units u WHERE p.id = u.product_id AND (u.held OR u.back);
    END IF;
    SELECT bool_or(s.status = ANY (open)),
        bool_or(s.status = 'DELIVERED'),
        bool_or(s.status <> ALL (open) AND s.status <> 'DELIVERED'),
        bool_or(s.status = ANY (left_shop))
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
        -- Delivery ends a compensation.
        UPDATE orders o SET
                status = path[cardinality(path)], version = o.version + cardinality(path),
                compensating_since = CASE WHEN path[cardinality(path)] <> 'COMPLETED'
                    THEN o.compensating_since END
            WHERE o.id = the_order RETURNING o.version, o.updated_at INTO reached, moved_at;
        INSERT INTO order_history (order_id, version, status, at)
            SELECT the_order, reached - cardinality(path) + step.number, step.status, moved_at
            FROM unnest(path) WITH ORDINALITY AS step (status, number);
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
    RETURN QUERY SELECT status, age_ms,
        left_now <> '{}' OR path[cardinality(path)] IS NOT DISTINCT FROM 'COMPLETED',
        coalesce(underway, false), coalesce(arrived, false), coalesce(failed, false);
END $$;
