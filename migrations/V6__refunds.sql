-- What is given back of an order's payment, each once by its id. PENDING: decided, and the gateway is being asked.
CREATE TABLE refunds (
    id             text        PRIMARY KEY,
    order_id       text        NOT NULL REFERENCES orders ON DELETE CASCADE,
    state          text        NOT NULL CHECK (state IN ('PENDING', 'SUCCEEDED', 'FAILED')),
    amount_minor   bigint      NOT NULL CHECK (amount_minor >= 0),
    reason         text,                                               -- of whoever asked for it
    failure_reason text,
    restock        boolean     NOT NULL,                               -- whether the units go back to stock
    requested_at   timestamptz NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refunds_order ON refunds (order_id, requested_at);
CREATE TRIGGER refunds_touch BEFORE UPDATE ON refunds FOR EACH ROW EXECUTE FUNCTION touch();

-- The units that a refund is for; none when it is for an amount.
CREATE TABLE refund_items (
    refund_id  text   NOT NULL REFERENCES refunds ON DELETE CASCADE,
    product_id text   NOT NULL REFERENCES products,
    quantity   bigint NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (refund_id, product_id)
);

-- Units that came back to stock; the order holds the rest.
ALTER TABLE reservations ADD COLUMN returned bigint NOT NULL DEFAULT 0, ADD CHECK (returned BETWEEN 0 AND quantity);

-- There may be several refunds of an order, and the customer is told of each: `about` is its id.
ALTER TABLE notifications
    ADD COLUMN about text NOT NULL DEFAULT '',
    DROP CONSTRAINT notifications_pkey,
    ADD PRIMARY KEY (order_id, type, channel, about),
    DROP CONSTRAINT notifications_type_check,
    ADD CONSTRAINT notifications_type_check CHECK (type IN ('ORDER_CONFIRMED', 'ORDER_FAILED', 'ORDER_CANCELLED', 'ORDER_REFUNDED'));
