-- Makes failing rows due at once.
UPDATE failing_rows
SET next_attempt_at = now()
WHERE loop = ANY ($1)
