-- Records that a worker is about to ask the gateway for a payment again, if the order is still
-- unpaid. Reads the gateway, the gateway's id of the payment, and the number of this attempt.
SELECT gateway, gateway_reference, attempts
FROM record_payment_attempt($1, $2, $3, $4, $5)
