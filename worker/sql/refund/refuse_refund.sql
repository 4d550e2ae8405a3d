-- Records that the gateway finally refuses a pending refund.
UPDATE refunds
SET state = 'FAILED', failure_reason = $2
WHERE id = $1
    AND state = 'PENDING'
