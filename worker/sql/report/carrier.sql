-- Lists what the sandbox carrier's records have about the order's parcels until now.
SELECT
    p.picked_up_at AS at,
    'parcel ' || p.shipment_id AS subject,
    'PICKED_UP' AS state,
    'bookings asked: ' || p.bookings AS detail,
    NULL::bigint AS amount_minor
FROM sandbox.parcels p
JOIN shipments s ON s.id = p.shipment_id
WHERE s.order_id = $1
    AND p.cancelled_at IS NULL
    AND p.outcome <> 'REFUSED'
    AND p.picked_up_at <= now()
UNION ALL
SELECT p.ended_at, 'parcel ' || p.shipment_id, p.outcome, '', NULL
FROM sandbox.parcels p
JOIN shipments s ON s.id = p.shipment_id
WHERE s.order_id = $1
    AND p.cancelled_at IS NULL
    AND p.ended_at <= now()
UNION ALL
SELECT p.cancelled_at, 'parcel ' || p.shipment_id, 'CANCELLED', '', NULL
FROM sandbox.parcels p
JOIN shipments s ON s.id = p.shipment_id
WHERE s.order_id = $1
    AND p.cancelled_at IS NOT NULL
