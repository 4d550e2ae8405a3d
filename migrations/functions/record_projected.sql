-- Records which versions of orders the read model has. It updates one order after the other, by id,
-- so that two calls for the same orders do not deadlock.
CREATE OR REPLACE FUNCTION record_projected(ids text[], versions bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    noted record;
BEGIN
    FOR noted IN SELECT n.* FROM unnest(ids, versions) AS n (id, version) ORDER BY n.id LOOP
        UPDATE orders o SET projected_version = noted.version
            WHERE o.id = noted.id AND o.projected_version < noted.version;
    END LOOP;
END $$;
