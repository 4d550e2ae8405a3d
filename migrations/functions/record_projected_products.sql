-- Records which versions of products the read model has. It updates one product after the other, by
-- id, since reservations lock several products in the same order.
CREATE OR REPLACE FUNCTION record_projected_products(ids text[], versions bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    noted record;
BEGIN
    FOR noted IN SELECT n.* FROM unnest(ids, versions) AS n (id, version) ORDER BY n.id LOOP
        UPDATE products p SET projected_version = noted.version
            WHERE p.id = noted.id AND p.projected_version < noted.version;
    END LOOP;
END $$;
