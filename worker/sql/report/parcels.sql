-- Lists the order's shipments, as they are recorded. A shipment has the times of its first and of
-- its last change only. The carrier's remarks are left out.
SELECT
    s.created_at AS at,
    'parcel ' || s.id AS subject,
    'PLANNED' AS state,
    concat_ws(
        ', ',
        'carrier ' || s.carrier,
        'warehouse ' || s.warehouse,
        (
            SELECT string_agg(i.quantity || ' of ' || i.product_id, ', ' ORDER BY i.product_id)
            FROM shipment_items i
            WHERE i.shipment_id = s.id
        )
    ) AS detail,
    NULL::bigint AS amount_minor
FROM shipments s
WHERE s.order_id = $1
UNION ALL
SELECT updated_at, 'parcel ' || id, status, coalesce('tracking number ' || tracking_number, ''), NULL
FROM shipments
WHERE order_id = $1
