-- Writes the stock ledger. Units that orders reserve or release move between `stock` and
-- `reserved`; all other changes of `stock` are restocks or losses.
CREATE OR REPLACE FUNCTION record_stock_movement() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moved bigint = NEW.stock - CASE TG_OP WHEN 'INSERT' THEN 0 ELSE OLD.stock END;
BEGIN
    INSERT INTO stock_movements (product_id, quantity, reason) VALUES (NEW.id, moved, CASE
        WHEN TG_OP = 'INSERT' THEN 'OPENING'
        WHEN OLD.reserved - NEW.reserved = moved
            THEN CASE WHEN moved < 0 THEN 'RESERVED' ELSE 'RELEASED' END
        WHEN moved > 0 THEN 'RESTOCKED' ELSE 'WRITTEN_OFF' END);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER products_opening AFTER INSERT ON products FOR EACH ROW
    WHEN (NEW.stock <> 0) EXECUTE FUNCTION record_stock_movement();
CREATE OR REPLACE TRIGGER products_movement AFTER UPDATE OF stock ON products FOR EACH ROW
    WHEN (OLD.stock <> NEW.stock) EXECUTE FUNCTION record_stock_movement();
