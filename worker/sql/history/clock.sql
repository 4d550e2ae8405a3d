-- Reads the time, and when the first order on record was accepted. All workers count by this clock,
-- because Postgres writes the times of the facts.
SELECT
    clock_timestamp() AS now,
    (
        SELECT created_at
        FROM orders
        ORDER BY id
        LIMIT 1
    ) AS first_order_at
