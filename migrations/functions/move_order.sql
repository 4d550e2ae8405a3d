-- Moves an order to the status `target` if its status is one of `predecessors`. Answers the order's
-- status afterwards (no row: no such order), whether this call moved it, and the order's age.
-- Repeating a call changes nothing.
--
-- An order that is being compensated moves only if its status is one of `compensating`. A worker
-- that lost its task to another worker therefore cannot move the order on meanwhile.
CREATE OR REPLACE FUNCTION move_order(
    the_order text, target text, predecessors text[], compensating text[],
    reason text DEFAULT NULL
) RETURNS TABLE (status text, moved boolean, age_ms bigint) LANGUAGE plpgsql AS $$
DECLARE
    reached bigint;
    accepted timestamptz;
    moved_at timestamptz;
BEGIN
    UPDATE orders o SET status = target, failure_reason = reason, version = o.version + 1
        WHERE o.id = the_order AND o.status = ANY (
            CASE WHEN o.compensating_since IS NULL THEN predecessors ELSE compensating END)
        RETURNING o.version, o.created_at, o.updated_at INTO reached, accepted, moved_at;
    IF reached IS NULL THEN
        RETURN QUERY SELECT o.status, false, NULL::bigint FROM orders o WHERE o.id = the_order;
    ELSE
        INSERT INTO order_history (order_id, version, status, at)
            VALUES (the_order, reached, target, moved_at);
        RETURN QUERY SELECT target, true,
            (extract(epoch FROM clock_timestamp() - accepted) * 1000)::bigint;
    END IF;
END $$;
