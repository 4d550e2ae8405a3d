-- Adds a refund to the refunded amount of a captured payment.
UPDATE payments
SET refunded_minor = refunded_minor + $2,
    status = CASE
        WHEN refunded_minor + $2 = amount_minor THEN 'REFUNDED'
        ELSE 'PARTIALLY_REFUNDED'
    END
WHERE order_id = $1
    AND status = ANY ($3)
