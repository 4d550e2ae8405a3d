-- Gives a new product with the id of a deleted one the next version, since the read model takes no
-- version twice.
CREATE OR REPLACE FUNCTION succeed_deleted_product() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last bigint;
BEGIN
    DELETE FROM deleted_products d WHERE d.id = NEW.id RETURNING d.version INTO last;
    IF last >= NEW.version THEN
        NEW.version = last + 1;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER products_made_again BEFORE INSERT ON products
    FOR EACH ROW EXECUTE FUNCTION succeed_deleted_product();
