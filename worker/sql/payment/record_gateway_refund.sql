-- Records, once, a refund that was made directly at the gateway.
INSERT INTO refunds (id, order_id, state, amount_minor, reason, restock, requested_at)
VALUES ($1, $2, 'SUCCEEDED', $3, 'given back at the payment gateway', false, now())
ON CONFLICT DO NOTHING
