-- Records a refund that was decided on, or refused.
INSERT INTO refunds (id, order_id, state, amount_minor, reason, failure_reason, restock, requested_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
