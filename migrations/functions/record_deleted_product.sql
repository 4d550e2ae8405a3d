-- Records a deleted product, so that the read model removes it.
CREATE OR REPLACE FUNCTION record_deleted_product() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deleted_products (id, version) VALUES (OLD.id, OLD.version)
        ON CONFLICT (id) DO UPDATE
        SET version = EXCLUDED.version, removals = 0, removed_at = NULL, deleted_at = now();
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER products_deleted AFTER DELETE ON products
    FOR EACH ROW EXECUTE FUNCTION record_deleted_product();
