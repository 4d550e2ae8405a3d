-- Orders: what a customer ordered, and how far the order has come.
--
-- In all files: amounts are integer minor units of the row's currency (ISO 4217). A CHECK keeps
-- unknown statuses out. orders/src/status/ alone decides which status may follow which, and the
-- worker passes the allowed predecessors to its statements as parameters.
-- Triggers stand beside their functions in functions/, since both are replaced together.

CREATE TABLE orders (
    id                  text        PRIMARY KEY,
    customer_id         text        NOT NULL,
    status              text        NOT NULL,
    -- Why the order FAILED or was CANCELLED, in words for the customer.
    failure_reason      text,
    total_minor         bigint      NOT NULL,
    currency            char(3)     NOT NULL,

    contact_email       text,
    contact_phone       text,
    -- The only channel that the customer wants. NULL: every channel that has an address.
    contact_channel     text,
    contact_language    text        NOT NULL DEFAULT 'en',

    -- The payment gateway's token. A trigger clears it when the payment is settled.
    payment_method      text,

    -- When compensation began: the payment is reversed and the stock released. NULL: no
    -- compensation.
    compensating_since  timestamptz,
    -- The final status after the compensation, and its reason in words for the customer.
    compensating_to     text,
    compensating_reason text,
    -- When a cancellation was refused because a shipment was already on its way.
    cancel_refused_at   timestamptz,

    -- Rises with every change that readers see.
    version             bigint      NOT NULL DEFAULT 1,
    -- The newest version that the read model has.
    projected_version   bigint      NOT NULL DEFAULT 0,
    -- When the API accepted the order.
    created_at          timestamptz NOT NULL,
    -- When the version last rose.
    updated_at          timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),

    CONSTRAINT orders_status_check CHECK (status IN (
        'PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED',
        'COMPLETED', 'FAILED', 'CANCELLED')),
    CONSTRAINT orders_total_minor_check CHECK (total_minor >= 0),
    CONSTRAINT orders_contact_channel_check CHECK (contact_channel IN ('EMAIL', 'SMS')),
    CONSTRAINT orders_payment_method_check CHECK (payment_method <> ''),
    CONSTRAINT orders_compensating_to_check CHECK (compensating_to IN ('FAILED', 'CANCELLED'))
);
-- A customer's orders, newest first.
CREATE INDEX orders_customer ON orders (customer_id, created_at DESC);
-- Orders that have not ended.
CREATE INDEX orders_open ON orders (created_at) WHERE status IN (
    'PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED');
-- A customer's unpaid orders, and all orders whose reservations may expire.
CREATE INDEX orders_unpaid_by_customer ON orders (customer_id)
    WHERE status IN ('ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED');
-- Orders that the read model lacks in their newest version.
CREATE INDEX orders_unprojected ON orders (updated_at) WHERE projected_version < version;

-- An order's line items, as the customer sent them. There is no foreign key to products: an order
-- for an unknown product fails, but stays on record.
CREATE TABLE order_items (
    order_id         text   NOT NULL REFERENCES orders ON DELETE CASCADE,
    line             int    NOT NULL,
    product_id       text   NOT NULL,
    -- 0: the customer accepted an offer without this line item.
    quantity         int    NOT NULL,
    unit_price_minor bigint NOT NULL,
    -- Units in stock when the shop last offered a part of the order. NULL: there was no offer.
    available        int,
    -- The quantity first ordered. NULL: the customer never accepted fewer units.
    ordered          int,

    PRIMARY KEY (order_id, line),
    CONSTRAINT order_items_line_check CHECK (line >= 1),
    CONSTRAINT order_items_quantity_check CHECK (quantity > 0 OR (quantity = 0 AND ordered > 0)),
    CONSTRAINT order_items_unit_price_minor_check CHECK (unit_price_minor >= 0),
    CONSTRAINT order_items_available_check CHECK (available BETWEEN 0 AND quantity),
    CONSTRAINT order_items_ordered_check CHECK (ordered > quantity)
);

-- Every status that an order has had. This table is also the outbox: each row is published as an
-- event, an order's rows in the order of their versions.
CREATE TABLE order_history (
    order_id     text        NOT NULL REFERENCES orders ON DELETE CASCADE,
    -- The order's version when it came to the status.
    version      bigint      NOT NULL,
    status       text        NOT NULL,
    at           timestamptz NOT NULL DEFAULT date_trunc('milliseconds', clock_timestamp()),
    -- When the event was published. NULL: not yet.
    published_at timestamptz,

    PRIMARY KEY (order_id, version)
);
CREATE INDEX order_history_unpublished ON order_history (order_id, version)
    WHERE published_at IS NULL;

-- Orders that staff must approve before they are paid.
CREATE TABLE reviews (
    order_id   text        PRIMARY KEY REFERENCES orders ON DELETE CASCADE,
    -- Why the order needs a review; for staff only.
    reason     text        NOT NULL,
    -- The decision. NULL: none yet.
    approved   boolean,
    -- The reviewer: the subject of the token.
    decided_by text,
    note       text,
    decided_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT reviews_decided_check CHECK (
        (approved IS NULL) = (decided_at IS NULL) AND (approved IS NULL) = (decided_by IS NULL))
);
