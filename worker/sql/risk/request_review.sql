-- Records, once, that staff must review an order.
INSERT INTO reviews (order_id, reason)
VALUES ($1, $2)
ON CONFLICT DO NOTHING
