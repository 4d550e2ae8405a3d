-- Adds a refund that was given at the gateway itself to what is refunded of the payment.
UPDATE payments
SET refunded_minor = refunded_minor + $2,
    status = CASE
        WHEN refunded_minor + $2 = amount_minor THEN 'REFUNDED'
        ELSE 'PARTIALLY_REFUNDED'
    END
WHERE order_id = $1
    AND refunded_minor + $2 <= amount_minor
