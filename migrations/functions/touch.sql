-- Sets updated_at when the row changes. The time is taken while the row is locked; a transaction's
-- own time (now()) is that of its start, before it waited for locks.
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = date_trunc('milliseconds', clock_timestamp());
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER payments_touch BEFORE UPDATE ON payments
    FOR EACH ROW EXECUTE FUNCTION touch();
CREATE OR REPLACE TRIGGER refunds_touch BEFORE UPDATE ON refunds
    FOR EACH ROW EXECUTE FUNCTION touch();
CREATE OR REPLACE TRIGGER shipments_touch BEFORE UPDATE ON shipments
    FOR EACH ROW EXECUTE FUNCTION touch();
CREATE OR REPLACE TRIGGER notifications_touch BEFORE UPDATE ON notifications
    FOR EACH ROW EXECUTE FUNCTION touch();
CREATE OR REPLACE TRIGGER reservations_touch BEFORE UPDATE ON reservations
    FOR EACH ROW EXECUTE FUNCTION touch();
-- A projection is no change of the product.
CREATE OR REPLACE TRIGGER products_touch BEFORE UPDATE ON products
    FOR EACH ROW WHEN (OLD.projected_version = NEW.projected_version) EXECUTE FUNCTION touch();
