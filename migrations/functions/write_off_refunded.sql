-- Writes off the units of a refund when it succeeds without `restock`.
CREATE OR REPLACE FUNCTION write_off_refunded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM settle_units(NEW.order_id, NEW.id);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER refunds_write_off AFTER UPDATE OF state ON refunds FOR EACH ROW
    WHEN (OLD.state = 'PENDING' AND NEW.state = 'SUCCEEDED' AND NOT NEW.restock)
    EXECUTE FUNCTION write_off_refunded();
