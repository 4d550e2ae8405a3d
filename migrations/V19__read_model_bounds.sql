-- Products that were deleted, until the read model has lost them, too. `removals` counts how often that was done: twice, since a projection
-- that was under way may have put the product back after the first.
CREATE TABLE deleted_products (
    id         text        PRIMARY KEY,
    version    bigint      NOT NULL,                                   -- the product's last
    removals   int         NOT NULL DEFAULT 0,
    removed_at timestamptz,                                            -- the last removal
    deleted_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION note_deleted_product() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deleted_products (id, version) VALUES (OLD.id, OLD.version)
        ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version, removals = 0, removed_at = NULL, deleted_at = now();
    RETURN NULL;
END $$;
CREATE TRIGGER products_deleted AFTER DELETE ON products FOR EACH ROW EXECUTE FUNCTION note_deleted_product();

-- A product of the same id that is made again goes on counting: the read model takes no version twice.
CREATE FUNCTION succeed_deleted_product() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last bigint;
BEGIN
    DELETE FROM deleted_products d WHERE d.id = NEW.id RETURNING d.version INTO last;
    IF last >= NEW.version THEN
        NEW.version = last + 1;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER products_made_again BEFORE INSERT ON products FOR EACH ROW EXECUTE FUNCTION succeed_deleted_product();

-- Of an order's refused refunds, so many are kept; those beyond it leave no row, however often somebody asks.
CREATE FUNCTION bound_refused_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM refunds r WHERE r.order_id = NEW.order_id AND r.state = 'FAILED') >= 50 THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refunds_bound BEFORE INSERT ON refunds FOR EACH ROW WHEN (NEW.state = 'FAILED') EXECUTE FUNCTION bound_refused_refunds();
