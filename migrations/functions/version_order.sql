-- Raises an order's version with every change that readers see, so that a change made by hand
-- reaches the read model, too. The worker's own changes raise it themselves.
CREATE OR REPLACE FUNCTION version_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version = OLD.version THEN
        NEW.version = OLD.version + 1;
    END IF;
    NEW.updated_at = date_trunc('milliseconds', clock_timestamp());
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_version BEFORE UPDATE ON orders FOR EACH ROW
    WHEN ((OLD.version, OLD.status, OLD.failure_reason, OLD.total_minor, OLD.customer_id)
        IS DISTINCT FROM
        (NEW.version, NEW.status, NEW.failure_reason, NEW.total_minor, NEW.customer_id))
    EXECUTE FUNCTION version_order();
