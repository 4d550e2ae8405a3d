-- Records that the gateway refuses a pending refund for good.
UPDATE refunds
SET state = 'FAILED', failure_reason = $2
WHERE id = $1
    AND state = 'PENDING'
