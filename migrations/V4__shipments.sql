-- Shipments. An order is split by warehouse: all that it has from one warehouse is one shipment.

CREATE TABLE shipments (
    -- The order's id, a hyphen, and the number.
    id              text        PRIMARY KEY,
    order_id        text        NOT NULL REFERENCES orders ON DELETE CASCADE,
    -- Counts the order's shipments from 1.
    number          int         NOT NULL,
    warehouse       text        NOT NULL,
    carrier         text        NOT NULL,
    -- PENDING: not booked with the carrier yet. REFUSED: the carrier does not take it.
    -- CANCELLED: cancelled before the carrier picked it up.
    status          text        NOT NULL DEFAULT 'PENDING',
    tracking_number text,
    tracking_url    text,
    -- Why the shipment does not arrive, in words for the customer.
    reason          text,
    created_at      timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),
    updated_at      timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),

    CONSTRAINT shipments_order_id_number_key UNIQUE (order_id, number),
    CONSTRAINT shipments_number_check CHECK (number BETWEEN 1 AND 65535),
    CONSTRAINT shipments_status_check CHECK (status IN (
        'PENDING', 'BOOKED', 'IN_TRANSIT', 'DELIVERED', 'LOST', 'RETURNED', 'REFUSED', 'CANCELLED'))
);

-- The units in a shipment. A product is in one warehouse, so a reservation is in one shipment.
CREATE TABLE shipment_items (
    shipment_id text   NOT NULL REFERENCES shipments ON DELETE CASCADE,
    product_id  text   NOT NULL REFERENCES products,
    quantity    bigint NOT NULL,

    PRIMARY KEY (shipment_id, product_id),
    CONSTRAINT shipment_items_quantity_check CHECK (quantity > 0)
);
