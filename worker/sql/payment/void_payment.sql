-- Records that nothing is held or captured of a payment whose outcome was open.
UPDATE payments
SET status = 'VOIDED'
WHERE order_id = $1
    AND status IN ('UNKNOWN', 'AUTHORIZED')
