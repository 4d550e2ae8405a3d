-- Books a parcel, once. Reads its status, and the time until the status changes, in milliseconds.
INSERT INTO sandbox.parcels AS p (shipment_id, outcome, picked_up_at, ended_at)
VALUES ($1, $2, now() + $3::bigint * interval '1 ms', now() + $3 * interval '2 ms')
ON CONFLICT (shipment_id) DO UPDATE
SET bookings = p.bookings + 1
RETURNING
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
