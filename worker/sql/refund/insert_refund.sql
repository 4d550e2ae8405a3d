-- Records a new refund: PENDING if it was accepted, FAILED if it was refused.
INSERT INTO refunds (id, order_id, state, amount_minor, reason, failure_reason, restock, requested_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
