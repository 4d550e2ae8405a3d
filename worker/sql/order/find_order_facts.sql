-- Reads the facts from which an order's workflow continues.
SELECT
    status,
    total_minor,
    currency,
    coalesce(payment_method, '') AS payment_method,
    compensating_since IS NOT NULL AS is_compensating,
    compensating_to,
    compensating_reason
FROM orders
WHERE id = $1
