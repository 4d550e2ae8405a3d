-- Reads a parcel's status, and the time until the status changes, in milliseconds.
SELECT
    number,
    CASE
        WHEN outcome = 'REFUSED' THEN 'REFUSED'
        WHEN cancelled_at IS NOT NULL THEN 'CANCELLED'
        WHEN now() >= ended_at THEN outcome
        WHEN now() >= picked_up_at THEN 'IN_TRANSIT'
        ELSE 'BOOKED'
    END AS status,
    ceil(
        extract(epoch FROM CASE WHEN now() < picked_up_at THEN picked_up_at ELSE ended_at END - now()) * 1000
    )::bigint AS moves_in_ms
FROM sandbox.parcels p
WHERE shipment_id = $1
