-- Records that an order's payment is authorized, if the order is still unpaid and its stock is
-- held. Tells whether the payment may be captured.
SELECT permission, status
FROM authorize_payment($1, $2, $3, $4, $5, $6)
