-- The records of the sandbox carrier, which stands for another company's system, too. A parcel's
-- tracking status follows from the time.
CREATE TABLE sandbox.parcels (
    shipment_id  text        PRIMARY KEY,
    -- Makes the tracking number.
    number       bigint      GENERATED ALWAYS AS IDENTITY,
    outcome      text        NOT NULL,
    picked_up_at timestamptz NOT NULL,
    -- When the outcome happens.
    ended_at     timestamptz NOT NULL,
    cancelled_at timestamptz,
    -- How often the booking was requested.
    bookings     int         NOT NULL DEFAULT 1,

    CONSTRAINT parcels_outcome_check CHECK (
        outcome IN ('DELIVERED', 'LOST', 'RETURNED', 'REFUSED')),
    -- Nobody cancels a parcel after the carrier picked it up.
    CONSTRAINT parcels_cancelled_check CHECK (cancelled_at IS NULL OR cancelled_at <= picked_up_at)
);
