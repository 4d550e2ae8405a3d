-- Cancels a parcel that was not picked up yet, even if it was never booked. Reads its status, and
-- the time until the status changes, in milliseconds.
INSERT INTO sandbox.parcels AS p (shipment_id, outcome, picked_up_at, ended_at, cancelled_at, bookings)
VALUES ($1, 'DELIVERED', now(), now(), now(), 0)
ON CONFLICT (shipment_id) DO UPDATE
SET cancelled_at = coalesce(p.cancelled_at, CASE WHEN now() < p.picked_up_at THEN now() END)
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
