-- Raises a product's version. Readers see its name, its price and whether it is in stock, so the
-- version rises with these and not with each unit sold.
CREATE OR REPLACE FUNCTION version_product() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version = OLD.version + 1;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER products_version BEFORE UPDATE ON products FOR EACH ROW
    WHEN ((OLD.name, OLD.price_minor, OLD.currency, OLD.stock > 0)
        IS DISTINCT FROM (NEW.name, NEW.price_minor, NEW.currency, NEW.stock > 0))
    EXECUTE FUNCTION version_product();
