-- Every change of a product's stock. The sum of a product's movements is its stock, whoever changes it and how: a trigger writes them.
CREATE TABLE stock_movements (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id text        NOT NULL REFERENCES products ON DELETE CASCADE,
    quantity   bigint      NOT NULL CHECK (quantity <> 0),
    reason     text        NOT NULL CHECK (reason IN ('OPENING', 'RESERVED', 'RELEASED', 'RESTOCKED', 'WRITTEN_OFF')),
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stock_movements_product ON stock_movements (product_id);
INSERT INTO stock_movements (product_id, quantity, reason) SELECT id, stock, 'OPENING' FROM products WHERE stock <> 0;

-- Units that orders take or give back move between stock and reserved; all others come from outside or are lost.
CREATE FUNCTION note_movement() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moved bigint = NEW.stock - CASE TG_OP WHEN 'INSERT' THEN 0 ELSE OLD.stock END;
BEGIN
    INSERT INTO stock_movements (product_id, quantity, reason) VALUES (NEW.id, moved, CASE
        WHEN TG_OP = 'INSERT' THEN 'OPENING'
        WHEN OLD.reserved - NEW.reserved = moved THEN CASE WHEN moved < 0 THEN 'RESERVED' ELSE 'RELEASED' END
        WHEN moved > 0 THEN 'RESTOCKED' ELSE 'WRITTEN_OFF' END);
    RETURN NULL;
END $$;
CREATE TRIGGER products_opening AFTER INSERT ON products FOR EACH ROW WHEN (NEW.stock <> 0) EXECUTE FUNCTION note_movement();
CREATE TRIGGER products_movement AFTER UPDATE OF stock ON products FOR EACH ROW
    WHEN (OLD.stock <> NEW.stock) EXECUTE FUNCTION note_movement();

-- Stock is held for an unpaid order only so long.
ALTER TABLE reservations
    ADD COLUMN expires_at timestamptz NOT NULL DEFAULT now() + interval '15 minutes',
    DROP CONSTRAINT reservations_state_check,
    ADD CONSTRAINT reservations_state_check CHECK (state IN ('HELD', 'RELEASED', 'EXPIRED'));
CREATE INDEX reservations_expiring ON reservations (expires_at) WHERE state = 'HELD';
CREATE INDEX orders_unpaid ON orders (id) WHERE status = 'RESERVED';
