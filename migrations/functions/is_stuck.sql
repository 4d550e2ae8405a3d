-- Whether an order of the view open_orders is stuck.
--
-- An order that is being compensated is stuck if the compensation has been running for longer than
-- stuck_after seconds. Any other open order is stuck if its status has not changed for longer than
-- that. There are two exceptions. An order that waits for a decision is not stuck, because the
-- decision has its own time limit. An order whose parcels are all with the carrier is not stuck
-- while the carrier has reported on each of them within silent_after seconds.
--
-- Each of changed_at and parcels_silent_since is used once, so that Postgres can put the function's
-- expression into the query.
CREATE OR REPLACE FUNCTION is_stuck(
    status text, created_at timestamptz, compensating_since timestamptz, changed_at timestamptz,
    parcels_silent_since timestamptz, stuck_after bigint, silent_after bigint
) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN compensating_since IS NOT NULL THEN compensating_since < now() - stuck_after * interval '1 second'
        ELSE status NOT IN ('ACTION_REQUIRED', 'IN_REVIEW')
            AND created_at < now() - stuck_after * interval '1 second'
            AND coalesce(changed_at < now() - stuck_after * interval '1 second', true)
            AND coalesce(parcels_silent_since < now() - silent_after * interval '1 second', true)
    END
$$;
