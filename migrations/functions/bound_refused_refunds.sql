-- Keeps at most 50 FAILED refunds of an order. Further ones leave no row.
CREATE OR REPLACE FUNCTION bound_refused_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM refunds r WHERE r.order_id = NEW.order_id AND r.state = 'FAILED') >= 50
    THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER refunds_bound BEFORE INSERT ON refunds FOR EACH ROW
    WHEN (NEW.state = 'FAILED') EXECUTE FUNCTION bound_refused_refunds();
