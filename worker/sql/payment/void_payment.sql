-- Records an UNKNOWN or AUTHORIZED payment as voided, because the gateway neither holds nor
-- captured its amount.
UPDATE payments
SET status = 'VOIDED'
WHERE order_id = $1
    AND status = ANY ($2)
