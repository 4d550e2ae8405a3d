-- Moves an order to PAID and records the captured payment. If there is a carrier, splits the order
-- into shipments.
WITH step AS MATERIALIZED (
    SELECT status, moved, age_ms
    FROM move_order($1, $2, $3, $4)
), payment AS (
    INSERT INTO payments (order_id, status, amount_minor, currency, gateway, gateway_reference)
    SELECT $1, 'CAPTURED', $5, $6, $7, $8
    FROM step
    WHERE moved
    ON CONFLICT (order_id) DO UPDATE
    SET status = 'CAPTURED', gateway_reference = EXCLUDED.gateway_reference
), split AS MATERIALIZED (
    SELECT make_shipments($1, $9)
    FROM step
    WHERE moved
        AND $9::text IS NOT NULL
)
SELECT status, age_ms
FROM step
LEFT JOIN split ON true
