-- Reads orders in the form in which readers see them. The numbers of statuses, refunds,
-- notifications and shipments are limited, because an item of DynamoDB holds at most 400 KB. The
-- statement reads the newest statuses and notifications, the pending refunds followed by the newest
-- ones, and the shipments with the lowest numbers.
SELECT
    o.id,
    o.customer_id,
    o.status,
    o.failure_reason,
    o.currency,
    o.total_minor,
    o.version,
    o.created_at,
    o.updated_at,
    o.compensating_since IS NOT NULL AS is_compensating,
    o.cancel_refused_at,
    o.traceparent,
    CASE WHEN o.status = $2 THEN (SELECT reason FROM reviews WHERE order_id = o.id) END AS review_reason,
    p.status AS payment_status,
    p.amount_minor AS payment_amount,
    p.refunded_minor AS payment_refunded,
    i.products,
    i.quantities,
    i.prices,
    i.available,
    i.ordered,
    h.statuses,
    h.times,
    r.ids AS refund_ids,
    r.states AS refund_states,
    r.amounts AS refund_amounts,
    r.reasons AS refund_reasons,
    r.failures AS refund_failures,
    r.times AS refund_times,
    r.total AS refund_count,
    n.types AS notice_types,
    n.channels AS notice_channels,
    n.times AS notice_times,
    s.shipment_ids,
    s.shipment_warehouses,
    s.shipment_statuses,
    s.shipment_carriers,
    s.tracking_numbers,
    s.tracking_urls,
    s.shipment_reasons,
    s.shipment_times,
    m.packed_in,
    m.packed_products,
    m.packed_quantities
FROM orders o
LEFT JOIN payments p ON p.order_id = o.id
CROSS JOIN LATERAL (
    SELECT
        array_agg(product_id ORDER BY line) AS products,
        array_agg(quantity ORDER BY line) AS quantities,
        array_agg(unit_price_minor ORDER BY line) AS prices,
        array_agg(available ORDER BY line) AS available,
        array_agg(ordered ORDER BY line) AS ordered
    FROM order_items
    WHERE order_id = o.id
) i
CROSS JOIN LATERAL (
    SELECT array_agg(status ORDER BY version) AS statuses, array_agg(at ORDER BY version) AS times
    FROM (
        SELECT *
        FROM order_history
        WHERE order_id = o.id
        ORDER BY version DESC
        LIMIT 100
    ) h
) h
CROSS JOIN LATERAL (
    SELECT
        array_agg(id ORDER BY requested_at, id) AS ids,
        array_agg(state ORDER BY requested_at, id) AS states,
        array_agg(amount_minor ORDER BY requested_at, id) AS amounts,
        array_agg(reason ORDER BY requested_at, id) AS reasons,
        array_agg(failure_reason ORDER BY requested_at, id) AS failures,
        array_agg(requested_at ORDER BY requested_at, id) AS times,
        max(total) AS total
    FROM (
        SELECT *, count(*) OVER () AS total
        FROM refunds
        WHERE order_id = o.id
        ORDER BY state = 'PENDING' DESC, requested_at DESC, id DESC
        LIMIT 20
    ) r
) r
CROSS JOIN LATERAL (
    SELECT
        array_agg(type ORDER BY created_at, type, channel) AS types,
        array_agg(channel ORDER BY created_at, type, channel) AS channels,
        array_agg(date_trunc('milliseconds', created_at) ORDER BY created_at, type, channel) AS times
    FROM (
        SELECT *
        FROM notifications
        WHERE order_id = o.id
            AND channel <> 'NONE'
        ORDER BY created_at DESC, type, channel
        LIMIT 50
    ) n
) n
CROSS JOIN LATERAL (
    SELECT
        array_agg(id ORDER BY number) AS shipment_ids,
        array_agg(warehouse ORDER BY number) AS shipment_warehouses,
        array_agg(status ORDER BY number) AS shipment_statuses,
        array_agg(carrier ORDER BY number) AS shipment_carriers,
        array_agg(tracking_number ORDER BY number) AS tracking_numbers,
        array_agg(tracking_url ORDER BY number) AS tracking_urls,
        array_agg(reason ORDER BY number) AS shipment_reasons,
        array_agg(updated_at ORDER BY number) AS shipment_times
    FROM (
        SELECT *
        FROM shipments
        WHERE order_id = o.id
        ORDER BY number
        LIMIT 100
    ) s
) s
CROSS JOIN LATERAL (
    SELECT
        array_agg(shipment_id ORDER BY product_id) AS packed_in,
        array_agg(product_id ORDER BY product_id) AS packed_products,
        array_agg(quantity ORDER BY product_id) AS packed_quantities
    FROM shipment_items
    WHERE shipment_id = ANY (s.shipment_ids)
) m
WHERE o.id = ANY ($1)
