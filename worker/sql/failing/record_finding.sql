-- Records a finding, once for each subject. Records nothing if the given maximum number of findings
-- is already stored.
INSERT INTO failing_rows AS f (loop, row_id, error, next_attempt_at)
SELECT $1, $2, $3, now()
WHERE (SELECT count(*) FROM failing_rows WHERE loop = $1) < $4
ON CONFLICT (loop, row_id) DO UPDATE
SET attempts = f.attempts + 1, error = EXCLUDED.error
