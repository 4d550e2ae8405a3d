-- Records that the gateway is about to be asked again, if the order is still to be paid.
SELECT gateway, gateway_reference, attempts
FROM record_payment_attempt($1, $2, $3, $4, $5)
