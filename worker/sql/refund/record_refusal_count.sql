-- Records how often the gateway has temporarily refused a refund. The number never decreases.
UPDATE refunds
SET refusals = greatest(refusals, $2)
WHERE id = $1
