-- Products and their stock, and the units that orders have reserved.

CREATE TABLE products (
    id                text        PRIMARY KEY,
    name              text        NOT NULL,
    price_minor       bigint      NOT NULL,
    currency          char(3)     NOT NULL,
    -- The one warehouse that holds the product. An order ships one shipment from each warehouse.
    warehouse         text        NOT NULL DEFAULT 'MAIN',
    -- Units that can still be reserved.
    stock             bigint      NOT NULL,
    -- Units that orders hold: the sum of the HELD reservations without their returned units.
    reserved          bigint      NOT NULL DEFAULT 0,
    -- Rises with every change that readers see.
    version           bigint      NOT NULL DEFAULT 1,
    -- The newest version that the read model has.
    projected_version bigint      NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),
    updated_at        timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),

    CONSTRAINT products_id_check CHECK (length(id) BETWEEN 1 AND 64),
    CONSTRAINT products_name_check CHECK (name <> ''),
    CONSTRAINT products_price_minor_check CHECK (price_minor >= 0),
    CONSTRAINT products_warehouse_check CHECK (warehouse <> ''),
    CONSTRAINT products_stock_check CHECK (stock >= 0),
    CONSTRAINT products_reserved_check CHECK (reserved >= 0)
);
CREATE INDEX products_unprojected ON products (id) WHERE projected_version < version;

-- Deleted products, until the read model has removed them.
CREATE TABLE deleted_products (
    id         text        PRIMARY KEY,
    -- The product's last version.
    version    bigint      NOT NULL,
    -- How often the read model removed it. It does so twice, since a projection that was running at
    -- the first removal may have put the product back.
    removals   int         NOT NULL DEFAULT 0,
    -- When the read model last removed it.
    removed_at timestamptz,
    deleted_at timestamptz NOT NULL DEFAULT now()
);

-- The units of one product that an order has reserved: all its line items of that product together.
-- Each unit is in exactly one place: held by the shop, in transit, with the customer, returned to
-- stock, or written off. The view order_units counts the units of each place.
CREATE TABLE reservations (
    order_id       text        NOT NULL REFERENCES orders ON DELETE CASCADE,
    product_id     text        NOT NULL REFERENCES products,
    quantity       bigint      NOT NULL,
    -- COMMITTED: the units have left the shop. RELEASED, EXPIRED: they are back in stock.
    state          text        NOT NULL DEFAULT 'HELD',
    -- Whether the COMMITTED units are still in transit.
    in_transit     boolean     NOT NULL DEFAULT false,
    -- Units that came back to stock.
    returned       bigint      NOT NULL DEFAULT 0,
    -- Units that a carrier lost, or that were refunded without a return.
    written_off    bigint      NOT NULL DEFAULT 0,
    -- Units that were refunded before they arrived. They are written off on arrival.
    refunded_early bigint      NOT NULL DEFAULT 0,
    -- Until when the units are held for an unpaid order.
    expires_at     timestamptz NOT NULL DEFAULT now() + interval '15 minutes',
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),

    PRIMARY KEY (order_id, product_id),
    CONSTRAINT reservations_quantity_check CHECK (quantity > 0),
    CONSTRAINT reservations_state_check CHECK (
        state IN ('HELD', 'COMMITTED', 'RELEASED', 'EXPIRED')),
    CONSTRAINT reservations_returned_check CHECK (returned BETWEEN 0 AND quantity),
    CONSTRAINT reservations_units_check CHECK (
        written_off >= 0 AND returned + written_off <= quantity),
    -- Only units that left the shop can be in transit or lost.
    CONSTRAINT reservations_left_check CHECK (
        state = 'COMMITTED' OR (NOT in_transit AND written_off = 0)),
    CONSTRAINT reservations_refunded_early_check CHECK (refunded_early BETWEEN 0 AND quantity)
);
CREATE INDEX reservations_held ON reservations (product_id) WHERE state = 'HELD';
CREATE INDEX reservations_expiring ON reservations (expires_at) WHERE state = 'HELD';

-- The stock ledger: every change of a product's stock, written by triggers. The sum of a product's
-- movements is its stock.
CREATE TABLE stock_movements (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id text        NOT NULL REFERENCES products ON DELETE CASCADE,
    -- Negative: units left the stock.
    quantity   bigint      NOT NULL,
    -- OPENING: the stock of a new product.
    reason     text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT stock_movements_quantity_check CHECK (quantity <> 0),
    CONSTRAINT stock_movements_reason_check CHECK (
        reason IN ('OPENING', 'RESERVED', 'RELEASED', 'RESTOCKED', 'WRITTEN_OFF'))
);
CREATE INDEX stock_movements_product ON stock_movements (product_id);

-- Deliveries to the stock. The id is an idempotency key: a repeated restock adds nothing.
CREATE TABLE restocks (
    id           text        PRIMARY KEY,
    product_id   text        NOT NULL REFERENCES products ON DELETE CASCADE,
    quantity     bigint      NOT NULL,
    reason       text,
    -- The subject of the token. NULL: requested on the command line, or without authentication.
    requested_by text,
    requested_at timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT restocks_quantity_check CHECK (quantity > 0)
);
CREATE INDEX restocks_product ON restocks (product_id);
