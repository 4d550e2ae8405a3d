-- Orders that wait for somebody, and orders that are shipped.
ALTER TABLE orders
    DROP CONSTRAINT orders_status_check,
    ADD CONSTRAINT orders_status_check CHECK (status IN (
        'PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED', 'COMPLETED', 'FAILED', 'CANCELLED'));
DROP INDEX orders_open;
CREATE INDEX orders_open ON orders (created_at)
    WHERE status IN ('PENDING', 'ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED', 'PAID', 'SHIPPED', 'DELIVERED');
ALTER TABLE notifications
    DROP CONSTRAINT notifications_type_check,
    ADD CONSTRAINT notifications_type_check CHECK (type IN (
        'ORDER_CONFIRMED', 'ORDER_ACTION_REQUIRED', 'ORDER_IN_REVIEW', 'ORDER_SHIPPED', 'ORDER_DELIVERED', 'ORDER_FAILED', 'ORDER_CANCELLED',
        'ORDER_REFUNDED'));

-- Of an order of which there is only a part: what there is of each line. Once the customer takes that, it is the line's quantity, which may then
-- be none.
ALTER TABLE order_items
    ADD COLUMN available int CHECK (available BETWEEN 0 AND quantity),
    ADD COLUMN ordered   int,                                          -- what was asked for at first; only where it is more
    DROP CONSTRAINT order_items_quantity_check,
    ADD CONSTRAINT order_items_quantity_check CHECK (quantity > 0 OR (quantity = 0 AND ordered > 0)),
    ADD CHECK (ordered > quantity);

-- Orders that somebody of the shop has to look at before they are paid.
CREATE TABLE reviews (
    order_id   text        PRIMARY KEY REFERENCES orders ON DELETE CASCADE,
    reason     text        NOT NULL,                                   -- why it is reviewed; for the shop's own people
    approved   boolean,                                                -- NULL: not decided
    decided_by text,                                                   -- subject at the issuer
    note       text,
    decided_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((approved IS NULL) = (decided_at IS NULL) AND (approved IS NULL) = (decided_by IS NULL))
);

-- The maintenance switch: while there is a row, orders are accepted and wait; nothing is reserved or charged.
CREATE TABLE maintenance (
    single boolean     PRIMARY KEY DEFAULT true CHECK (single),
    reason text        NOT NULL,
    since  timestamptz NOT NULL DEFAULT now()
);
