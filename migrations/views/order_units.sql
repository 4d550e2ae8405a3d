-- Where the units of each reservation are. The numbers of held, on_the_way, kept, returned and
-- written_off units add up to the quantity.
CREATE OR REPLACE VIEW order_units AS SELECT order_id, product_id, quantity,
    CASE WHEN state = 'HELD' THEN quantity - returned ELSE 0 END AS held,
    -- In transit with a carrier.
    CASE WHEN in_transit THEN quantity - returned - written_off ELSE 0 END AS on_the_way,
    -- With the customer.
    CASE WHEN state = 'COMMITTED' AND NOT in_transit
        THEN quantity - returned - written_off ELSE 0 END AS kept,
    -- In stock again. RELEASED and EXPIRED units never left.
    CASE WHEN state IN ('RELEASED', 'EXPIRED') THEN quantity ELSE returned END AS returned,
    written_off,
    -- Those of the held and on_the_way units that are refunded already.
    CASE WHEN state = 'HELD' OR in_transit THEN refunded_early ELSE 0 END AS refunded_early
    FROM reservations;
