-- One clock for what readers see of an order: the time at which its row changes, taken while the row
-- is locked. A transaction's own time (`now()`) is that of its beginning, before it waited for locks.
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = date_trunc('milliseconds', clock_timestamp());
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION version_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version = OLD.version THEN
        NEW.version = OLD.version + 1;
    END IF;
    NEW.updated_at = date_trunc('milliseconds', clock_timestamp());
    RETURN NEW;
END $$;

-- As V17's; the history has the time of the order's row.
CREATE OR REPLACE FUNCTION move_order(the_order text, target text, predecessors text[], reason text DEFAULT NULL)
RETURNS TABLE (status text, moved boolean, age_ms bigint) LANGUAGE plpgsql AS $$
DECLARE
    reached bigint;
    accepted timestamptz;
    moved_at timestamptz;
BEGIN
    UPDATE orders o SET status = target, failure_reason = reason, version = o.version + 1
        WHERE o.id = the_order AND o.status = ANY (predecessors)
        AND (o.compensating_since IS NULL OR target IN ('DELIVERED', 'FAILED', 'CANCELLED') OR o.status = 'DELIVERED')
        RETURNING o.version, o.created_at, o.updated_at INTO reached, accepted, moved_at;
    IF reached IS NULL THEN
        RETURN QUERY SELECT o.status, false, NULL::bigint FROM orders o WHERE o.id = the_order;
    ELSE
        INSERT INTO order_history (order_id, version, status, at) VALUES (the_order, reached, target, moved_at);
        RETURN QUERY SELECT target, true, (extract(epoch FROM clock_timestamp() - accepted) * 1000)::bigint;
    END IF;
END $$;

-- How often the gateway refused a refund for now. Each time the next attempt has a key of its own,
-- since the gateway repeats what it answered under a key.
ALTER TABLE refunds ADD COLUMN refusals int NOT NULL DEFAULT 0;

-- How often the sandbox gateway was asked to give back of a charge.
ALTER TABLE sandbox.charges ADD COLUMN refund_attempts int NOT NULL DEFAULT 0;

-- Its statements find rows by keys alone. A plan made anew for each call would cost half of the call.
ALTER FUNCTION move_shipments(text, text[], text[], text[], text[], text[], text[], text[], text[])
    SET plan_cache_mode = force_generic_plan;

-- Writes off the units of a refund that was given and brings none back. A trigger does it, since a
-- worker of the earlier release, which may give refunds until it is gone, does not.
CREATE FUNCTION write_off_refunded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM settle_units(NEW.order_id, NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER refunds_write_off AFTER UPDATE OF state ON refunds FOR EACH ROW
    WHEN (OLD.state = 'PENDING' AND NEW.state = 'SUCCEEDED' AND NOT NEW.restock) EXECUTE FUNCTION write_off_refunded();
