-- Records how often the gateway has refused a refund for now. The number never decreases.
UPDATE refunds
SET refusals = greatest(refusals, $2)
WHERE id = $1
