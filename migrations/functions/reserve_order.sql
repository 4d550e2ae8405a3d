-- Reserves all products of an order and moves it to `target`. Otherwise it changes nothing and
-- answers no row: the order is not PENDING any more or is being compensated, maintenance is on, the
-- customer has too much unpaid, or a product is not in stock at this price in this currency. The
-- arrays have one element for each product.
--
-- Each product's row is locked once, by its UPDATE. A single statement that locked the row first
-- and then updated it would deadlock on a product that many orders want: the update begins at the
-- version of the row that the statement's snapshot sees. While the check of a foreign key shares
-- that old version, Postgres (15 to 17) waits for its tuple lock, whose owner waits for this
-- transaction. The statements of a function have a snapshot each.
--
-- The rule for all statements: lock the order, then its customer, then the products by id, and
-- touch no row twice in one statement.
CREATE OR REPLACE FUNCTION reserve_order(
    the_order text, target text, predecessors text[], products text[], quantities bigint[],
    prices bigint[], the_currency text, held_ms bigint, max_orders bigint, max_units bigint
) RETURNS TABLE (status text, age_ms bigint) LANGUAGE plpgsql AS $$
DECLARE
    customer text;
    unpaid record;
    wanted record;
    total numeric = 0;
    is_first boolean = true;
BEGIN
    IF cardinality(products) > 1 AND (
        SELECT count(*) FROM products p
            JOIN unnest(products, quantities) AS w (product_id, quantity) ON w.product_id = p.id
            WHERE p.stock >= w.quantity
    ) < cardinality(products) THEN
        RETURN;
    END IF;
    SELECT o.customer_id INTO customer FROM orders o
        WHERE o.id = the_order AND o.status = ANY (predecessors) AND o.status = 'PENDING'
        AND o.compensating_since IS NULL
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
    -- By id, in the database's own order of texts.
    FOR wanted IN
        SELECT w.*
            FROM unnest(products, quantities, prices) AS w (product_id, quantity, price_minor)
            ORDER BY w.product_id
    LOOP
        UPDATE products p
            SET stock = p.stock - wanted.quantity, reserved = p.reserved + wanted.quantity
            WHERE p.id = wanted.product_id AND p.stock >= wanted.quantity
            AND p.price_minor = wanted.price_minor AND p.currency = the_currency;
        IF NOT FOUND THEN
            IF is_first THEN
                RETURN;
            END IF;
            -- Undoes the reservation of the other products.
            RAISE 'no longer in stock' USING ERRCODE = 'OF001';
        END IF;
        is_first = false;
    END LOOP;
    -- After the products' rows: this transaction owns them when their foreign key is checked.
    INSERT INTO reservations (order_id, product_id, quantity, expires_at)
        SELECT the_order, w.product_id, w.quantity, now() + held_ms * interval '1 millisecond'
            FROM unnest(products, quantities) AS w (product_id, quantity);
    RETURN QUERY SELECT m.status, m.age_ms FROM move_order(the_order, target, predecessors, '{}') m;
END $$;
