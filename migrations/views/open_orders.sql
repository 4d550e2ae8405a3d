-- The orders that have not ended, with what the rule about stuck orders needs (is_stuck).
CREATE OR REPLACE VIEW open_orders AS
SELECT
    o.id,
    o.status,
    o.created_at,
    o.compensating_since,
    -- When the status last changed.
    (
        SELECT max(h.at)
        FROM order_history h
        WHERE h.order_id = o.id
    ) AS changed_at,
    -- When the carrier last reported on the parcel that it has been silent about for longest. NULL
    -- if a parcel is not booked yet, or if no parcel is with the carrier.
    CASE
        WHEN o.status IN ('PAID', 'SHIPPED')
            AND NOT EXISTS (
                SELECT
                FROM shipments s
                WHERE s.order_id = o.id
                    AND s.status = 'PENDING'
            ) THEN (
                SELECT min(s.updated_at)
                FROM shipments s
                WHERE s.order_id = o.id
                    AND s.status IN ('BOOKED', 'IN_TRANSIT')
            )
    END AS parcels_silent_since
FROM orders o
WHERE o.status IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED');
