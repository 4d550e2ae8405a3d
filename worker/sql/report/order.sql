-- Reads an order as it is now, without personal data. Shows whether it is stuck.
SELECT
    o.status,
    o.failure_reason,
    o.total_minor,
    o.currency,
    o.created_at,
    o.version,
    o.compensating_since IS NOT NULL AS is_compensating,
    EXISTS (
        SELECT
        FROM open_orders p
        WHERE p.id = o.id
            AND is_stuck(
                p.status, p.created_at, p.compensating_since, p.changed_at, p.parcels_silent_since, $2, $3
            )
    ) AS is_stuck
FROM orders o
WHERE o.id = $1
