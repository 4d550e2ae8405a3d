-- Makes all failing rows of the given loops due at once.
UPDATE failing_rows
SET next_attempt_at = now()
WHERE loop = ANY ($1)
