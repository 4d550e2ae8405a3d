-- Payments and refunds, as the payment gateway reported them.

-- The payment of an order. It is authorized when the stock is reserved, and captured when the order
-- is confirmed. Before the capture it can be voided; afterwards it can be refunded.
CREATE TABLE payments (
    order_id          text        PRIMARY KEY REFERENCES orders ON DELETE CASCADE,
    -- UNKNOWN: the gateway was asked, and no answer is on record.
    status            text        NOT NULL,
    amount_minor      bigint      NOT NULL,
    currency          char(3)     NOT NULL,
    -- The sum of the refunds that succeeded.
    refunded_minor    bigint      NOT NULL DEFAULT 0,
    gateway           text        NOT NULL,
    -- The gateway's id of the payment.
    gateway_reference text,
    -- How often the gateway was asked. The first attempt leaves no row if it fails, so a row that a
    -- second attempt inserts begins with 2.
    attempts          int         NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT payments_status_check CHECK (status IN (
        'AUTHORIZED', 'CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED', 'VOIDED', 'DECLINED',
        'UNKNOWN')),
    CONSTRAINT payments_amount_minor_check CHECK (amount_minor >= 0),
    -- An order that costs nothing is REFUNDED by a refund of 0.
    CONSTRAINT payments_refunded_check CHECK (
        refunded_minor BETWEEN 0 AND amount_minor
        AND (status = 'REFUNDED')
            = (refunded_minor = amount_minor AND (refunded_minor > 0 OR status = 'REFUNDED'))
        AND (status = 'PARTIALLY_REFUNDED') = (refunded_minor BETWEEN 1 AND amount_minor - 1))
);

-- The refunds of an order's payment. PENDING: decided, and the gateway is being asked.
CREATE TABLE refunds (
    id             text        PRIMARY KEY,
    order_id       text        NOT NULL REFERENCES orders ON DELETE CASCADE,
    state          text        NOT NULL,
    amount_minor   bigint      NOT NULL,
    -- Why somebody asked for the refund.
    reason         text,
    -- Why the refund FAILED.
    failure_reason text,
    -- Whether the units go back to stock. Otherwise they are written off.
    restock        boolean     NOT NULL,
    -- How often the gateway refused the refund for now. Each later attempt has a new idempotency
    -- key, since the gateway repeats its answer under the old one.
    refusals       int         NOT NULL DEFAULT 0,
    requested_at   timestamptz NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT refunds_state_check CHECK (state IN ('PENDING', 'SUCCEEDED', 'FAILED')),
    CONSTRAINT refunds_amount_minor_check CHECK (amount_minor >= 0)
);
CREATE INDEX refunds_order ON refunds (order_id, requested_at);

-- The units that a refund pays for. A refund of an amount has none.
CREATE TABLE refund_items (
    refund_id  text   NOT NULL REFERENCES refunds ON DELETE CASCADE,
    product_id text   NOT NULL REFERENCES products,
    quantity   bigint NOT NULL,

    PRIMARY KEY (refund_id, product_id),
    CONSTRAINT refund_items_quantity_check CHECK (quantity > 0)
);
