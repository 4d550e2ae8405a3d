-- Adds a refund that was made directly at the gateway to the payment's refunded amount. If the sum
-- would exceed the payment, nothing changes.
UPDATE payments
SET refunded_minor = refunded_minor + $2,
    status = CASE
        WHEN refunded_minor + $2 = amount_minor THEN 'REFUNDED'
        ELSE 'PARTIALLY_REFUNDED'
    END
WHERE order_id = $1
    AND refunded_minor + $2 <= amount_minor
