-- Records, once, that a pending refund was given. A trigger writes off the units that do not come back.
UPDATE refunds
SET state = 'SUCCEEDED'
WHERE id = $1
    AND state = 'PENDING'
RETURNING amount_minor, restock
