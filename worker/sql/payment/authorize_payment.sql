-- Records that an order's amount is authorized, if the order is still to be paid and its stock is held.
SELECT permission, status
FROM authorize_payment($1, $2, $3, $4, $5, $6)
