-- The business facts of OrderFlow. Amounts are integer minor units of the row's currency (ISO 4217).
-- Statuses are checked for being known; which may follow which is decided by the one table in orders/src/status.rs, whose rows the
-- statements of the worker carry as parameters.

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = date_trunc('milliseconds', now());
    RETURN NEW;
END $$;

-- The catalogue and its stock.
CREATE TABLE products (
    id                text        PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    name              text        NOT NULL CHECK (name <> ''),
    price_minor       bigint      NOT NULL CHECK (price_minor >= 0),
    currency          char(3)     NOT NULL,
    stock             bigint      NOT NULL CHECK (stock >= 0),         -- what can still be reserved
    reserved          bigint      NOT NULL DEFAULT 0 CHECK (reserved >= 0), -- what orders hold or have bought: the sum of live reservations
    version           bigint      NOT NULL DEFAULT 1,                  -- rises with whatever readers see
    projected_version bigint      NOT NULL DEFAULT 0,                  -- the version that the read model is known to have
    created_at        timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),
    updated_at        timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now())
);
CREATE TRIGGER products_touch BEFORE UPDATE ON products FOR EACH ROW
    WHEN (OLD.projected_version = NEW.projected_version) EXECUTE FUNCTION touch();
CREATE INDEX products_unprojected ON products (id) WHERE projected_version < version;

-- Readers see the name, the price and whether there is any stock, so a product's version rises with these, and not with each unit sold.
CREATE FUNCTION version_product() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version = OLD.version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER products_version BEFORE UPDATE ON products FOR EACH ROW
    WHEN ((OLD.name, OLD.price_minor, OLD.currency, OLD.stock > 0) IS DISTINCT FROM (NEW.name, NEW.price_minor, NEW.currency, NEW.stock > 0))
    EXECUTE FUNCTION version_product();

CREATE TABLE orders (
    id                text        PRIMARY KEY,
    customer_id       text        NOT NULL,
    status            text        NOT NULL CHECK (status IN ('PENDING', 'RESERVED', 'PAID', 'COMPLETED', 'FAILED', 'CANCELLED')),
    total_minor       bigint      NOT NULL CHECK (total_minor >= 0),
    currency          char(3)     NOT NULL,
    failure_reason    text,                                            -- for the customer to read
    contact_email     text,
    contact_phone     text,
    version           bigint      NOT NULL DEFAULT 1,                  -- rises with every change that readers see
    projected_version bigint      NOT NULL DEFAULT 0,                  -- the version that the read model is known to have
    created_at        timestamptz NOT NULL,                            -- when the order was accepted
    updated_at        timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now())
);
-- What the worker changes, it changes through move_order. A change made by hand reaches the readers too.
CREATE FUNCTION version_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version = OLD.version THEN
        NEW.version = OLD.version + 1;
    END IF;
    NEW.updated_at = date_trunc('milliseconds', now());
    RETURN NEW;
END $$;
CREATE TRIGGER orders_version BEFORE UPDATE ON orders FOR EACH ROW
    WHEN ((OLD.version, OLD.status, OLD.failure_reason, OLD.total_minor, OLD.customer_id)
          IS DISTINCT FROM (NEW.version, NEW.status, NEW.failure_reason, NEW.total_minor, NEW.customer_id))
    EXECUTE FUNCTION version_order();

CREATE INDEX orders_customer ON orders (customer_id, created_at DESC);
CREATE INDEX orders_open ON orders (created_at) WHERE status IN ('PENDING', 'RESERVED', 'PAID');
CREATE INDEX orders_unprojected ON orders (updated_at) WHERE projected_version < version;

-- A line keeps what the customer asked for, even a product that does not exist: the order then fails, but it is on record. Hence no foreign
-- key to products; a reservation has one.
CREATE TABLE order_items (
    order_id         text   NOT NULL REFERENCES orders ON DELETE CASCADE,
    line             int    NOT NULL CHECK (line >= 1),
    product_id       text   NOT NULL,
    quantity         int    NOT NULL CHECK (quantity > 0),
    unit_price_minor bigint NOT NULL CHECK (unit_price_minor >= 0),
    PRIMARY KEY (order_id, line)
);

-- Every status that an order has had, as readers see it.
CREATE TABLE order_history (
    order_id text        NOT NULL REFERENCES orders ON DELETE CASCADE,
    version  bigint      NOT NULL,
    status   text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT date_trunc('milliseconds', clock_timestamp()),
    PRIMARY KEY (order_id, version)
);

-- Moves an order to a status, if it stands at one of those from which it may come there. Answers the status that the order then has (NULL: no
-- such order), whether this call moved it, and how long ago the order was accepted. Repeating a call changes nothing.
CREATE FUNCTION move_order(the_order text, target text, predecessors text[], reason text DEFAULT NULL)
RETURNS TABLE (status text, moved boolean, age_ms bigint) LANGUAGE plpgsql AS $$
DECLARE
    reached bigint;
    accepted timestamptz;
BEGIN
    UPDATE orders o SET status = target, failure_reason = reason, version = o.version + 1
        WHERE o.id = the_order AND o.status = ANY (predecessors)
        RETURNING o.version, o.created_at INTO reached, accepted;
    IF reached IS NULL THEN
        RETURN QUERY SELECT o.status, false, NULL::bigint FROM orders o WHERE o.id = the_order;
    ELSE
        INSERT INTO order_history (order_id, version, status) VALUES (the_order, reached, target);
        RETURN QUERY SELECT target, true, (extract(epoch FROM clock_timestamp() - accepted) * 1000)::bigint;
    END IF;
END $$;

-- Stock that an order holds. One row a product: the order's lines of the same product together.
CREATE TABLE reservations (
    order_id   text        NOT NULL REFERENCES orders ON DELETE CASCADE,
    product_id text        NOT NULL REFERENCES products,
    quantity   bigint      NOT NULL CHECK (quantity > 0),
    state      text        NOT NULL DEFAULT 'HELD' CHECK (state IN ('HELD', 'RELEASED')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, product_id)
);
CREATE INDEX reservations_held ON reservations (product_id) WHERE state = 'HELD';
CREATE TRIGGER reservations_touch BEFORE UPDATE ON reservations FOR EACH ROW EXECUTE FUNCTION touch();

-- What the gateway told us about an order's money.
CREATE TABLE payments (
    order_id          text        PRIMARY KEY REFERENCES orders ON DELETE CASCADE,
    status            text        NOT NULL CHECK (status IN ('CAPTURED', 'DECLINED', 'REFUNDED')),
    amount_minor      bigint      NOT NULL CHECK (amount_minor >= 0),
    currency          char(3)     NOT NULL,
    gateway           text        NOT NULL,
    gateway_reference text,                                            -- the gateway's id of the charge
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER payments_touch BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION touch();

-- What the customer is told, once for each event and channel. Channel NONE: the order has no contact; the notice is only on record.
CREATE TABLE notifications (
    order_id        text        NOT NULL REFERENCES orders ON DELETE CASCADE,
    type            text        NOT NULL CHECK (type IN ('ORDER_CONFIRMED', 'ORDER_FAILED', 'ORDER_CANCELLED')),
    channel         text        NOT NULL CHECK (channel IN ('EMAIL', 'SMS', 'NONE')),
    state           text        NOT NULL CHECK (state IN ('RECORDED', 'PENDING', 'SENT', 'FAILED')),
    attempts        int         NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    provider_id     text,                                              -- the message's id at SES or SNS
    last_error      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, type, channel)
);
CREATE INDEX notifications_pending ON notifications (next_attempt_at) WHERE state = 'PENDING';
CREATE TRIGGER notifications_touch BEFORE UPDATE ON notifications FOR EACH ROW EXECUTE FUNCTION touch();
