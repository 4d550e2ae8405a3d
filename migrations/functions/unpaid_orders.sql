-- The customer's other unpaid orders: how many they are, how many units they hold, and whether one
-- of them waits for the customer. Locks the customer until the transaction ends, so that orders
-- which are placed at once are counted one after the other.
CREATE OR REPLACE FUNCTION unpaid_orders(
    the_order text, customer text, OUT orders bigint, OUT units bigint, OUT waiting boolean
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(customer, 0));
    -- Postgres uses the partial index only if the statuses are literals. Reservations are joined by
    -- their order alone, so that Postgres uses their primary key.
    SELECT count(DISTINCT o.id), coalesce(sum(r.quantity) FILTER (WHERE r.state = 'HELD'), 0),
        coalesce(bool_or(o.status = 'ACTION_REQUIRED'), false)
        INTO orders, units, waiting FROM orders o LEFT JOIN reservations r ON r.order_id = o.id
        WHERE o.customer_id = customer
        AND o.status IN ('ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED') AND o.id <> the_order;
END $$;
