-- Reserving takes each product's row once. V1's way, one statement that locked the row and then updated it, deadlocked on a product that many orders
-- want: the update begins at the version of the row that the statement's snapshot sees. While a foreign key's check holds a share of that old version,
-- Postgres (15 to 17) waits for its tuple lock, which belongs to somebody who waits for this very transaction. A function's statements have a snapshot
-- each. The rule everywhere: locks go from the order to its customer to the products by id, and no statement comes to one row twice.

-- What a customer has not paid yet. It serves the sweep of what has been held for too long, too.
CREATE INDEX orders_unpaid_by_customer ON orders (customer_id) WHERE status IN ('ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED');
DROP INDEX orders_unpaid;

-- The customer's other orders that are not paid: how many, how many units they hold, and whether one of them waits for the customer. Takes the
-- customer's lock first, until the transaction ends: orders that are placed at once are counted one after the other.
CREATE FUNCTION unpaid_orders(the_order text, customer text, OUT orders bigint, OUT units bigint, OUT waiting boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(customer, 0));
    -- The statuses are written out: only then does Postgres take the index. Reservations are joined by their order alone, so that it takes their key.
    SELECT count(DISTINCT o.id), coalesce(sum(r.quantity) FILTER (WHERE r.state = 'HELD'), 0), coalesce(bool_or(o.status = 'ACTION_REQUIRED'), false)
        INTO orders, units, waiting FROM orders o LEFT JOIN reservations r ON r.order_id = o.id
        WHERE o.customer_id = customer AND o.status IN ('ACTION_REQUIRED', 'IN_REVIEW', 'RESERVED') AND o.id <> the_order;
END $$;

-- Reserves all of an order, and moves it to `target`; else does nothing and answers no row: when the order is not PENDING any more, or is being
-- compensated, there is maintenance, the customer has too much that is not paid, or a product is not in stock at this price in this currency. The
-- arrays have a product each.
CREATE FUNCTION reserve_order(the_order text, target text, predecessors text[], products text[], quantities bigint[], prices bigint[],
    the_currency text, held_ms bigint, max_orders bigint, max_units bigint)
RETURNS TABLE (status text, age_ms bigint) LANGUAGE plpgsql AS $$
DECLARE
    customer text;
    unpaid record;
    wanted record;
    total numeric = 0;
    is_first boolean = true;
BEGIN
    IF cardinality(products) > 1 AND (
        SELECT count(*) FROM products p JOIN unnest(products, quantities) AS w (product_id, quantity) ON w.product_id = p.id WHERE p.stock >= w.quantity
    ) < cardinality(products) THEN
        RETURN;
    END IF;
    SELECT o.customer_id INTO customer FROM orders o
        WHERE o.id = the_order AND o.status = ANY (predecessors) AND o.status = 'PENDING' AND o.compensating_since IS NULL
        AND NOT EXISTS (SELECT FROM maintenance) FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    unpaid = unpaid_orders(the_order, customer);
    FOR n IN 1 .. cardinality(quantities) LOOP
        total = total + quantities[n];
    END LOOP;
    IF unpaid.orders >= max_orders OR unpaid.units + total > max_units THEN
        RETURN;
    END IF;
    -- By id, in the database's own order of texts, as everywhere.
    FOR wanted IN SELECT w.* FROM unnest(products, quantities, prices) AS w (product_id, quantity, price_minor) ORDER BY w.product_id LOOP
        UPDATE products p SET stock = p.stock - wanted.quantity, reserved = p.reserved + wanted.quantity
            WHERE p.id = wanted.product_id AND p.stock >= wanted.quantity AND p.price_minor = wanted.price_minor AND p.currency = the_currency;
        IF NOT FOUND THEN
            IF is_first THEN
                RETURN;
            END IF;
            -- Undoes what was taken of the others.
            RAISE 'no longer in stock' USING ERRCODE = 'OF001';
        END IF;
        is_first = false;
    END LOOP;
    -- After the products' rows: their foreign key is then checked on rows that are this transaction's own.
    INSERT INTO reservations (order_id, product_id, quantity, expires_at)
        SELECT the_order, w.product_id, w.quantity, now() + held_ms * interval '1 millisecond' FROM unnest(products, quantities) AS w (product_id, quantity);
    RETURN QUERY SELECT m.status, m.age_ms FROM move_order(the_order, target, predecessors) m;
END $$;

-- Notes which versions of orders the read model has. One order after the other, by id: two who note the same orders do not wait for each other.
CREATE FUNCTION note_projected(ids text[], versions bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    noted record;
BEGIN
    FOR noted IN SELECT n.* FROM unnest(ids, versions) AS n (id, version) ORDER BY n.id LOOP
        UPDATE orders o SET projected_version = noted.version WHERE o.id = noted.id AND o.projected_version < noted.version;
    END LOOP;
END $$;

-- The same for products: reservations lock several of them by id, too.
CREATE FUNCTION note_projected_products(ids text[], versions bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    noted record;
BEGIN
    FOR noted IN SELECT n.* FROM unnest(ids, versions) AS n (id, version) ORDER BY n.id LOOP
        UPDATE products p SET projected_version = noted.version WHERE p.id = noted.id AND p.projected_version < noted.version;
    END LOOP;
END $$;

-- Notes that the gateway is about to be asked again for an order's payment, if the order is still to be paid. Answers which gateway has the payment,
-- its reference, and how often it is asked with this time. The order's lock comes before its payment's, as everywhere.
CREATE FUNCTION record_payment_attempt(the_order text, unpaid text[], amount bigint, the_currency text, the_gateway text)
RETURNS TABLE (gateway text, gateway_reference text, attempts int) LANGUAGE plpgsql AS $$
DECLARE
    payment payments;
BEGIN
    PERFORM FROM orders o WHERE o.id = the_order AND o.status = ANY (unpaid) FOR NO KEY UPDATE;
    IF FOUND THEN
        INSERT INTO payments AS p (order_id, status, amount_minor, currency, gateway, attempts)
            VALUES (the_order, 'UNKNOWN', amount, the_currency, the_gateway, 2)
            ON CONFLICT ON CONSTRAINT payments_pkey DO UPDATE SET attempts = p.attempts + 1 RETURNING p.* INTO payment;
        IF payment.status = 'UNKNOWN' AND payment.attempts = 2 THEN
            UPDATE orders o SET version = o.version + 1 WHERE o.id = the_order;
        END IF;
    ELSE
        SELECT p.* INTO payment FROM payments p WHERE p.order_id = the_order;
        payment.attempts = 1;
    END IF;
    RETURN QUERY SELECT coalesce(payment.gateway, the_gateway), payment.gateway_reference, payment.attempts;
END $$;
