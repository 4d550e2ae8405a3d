-- Records that rows failed: counts the attempt and sets the time of the next one. The pause doubles
-- from 2 seconds to 10 minutes.
INSERT INTO failing_rows AS f (loop, row_id, error, next_attempt_at)
SELECT DISTINCT ON (r.id) $1, r.id, r.error, now() + interval '2 s'
FROM unnest($2::text[], $3::text[]) AS r (id, error)
ON CONFLICT (loop, row_id) DO UPDATE
SET attempts = f.attempts + 1,
    error = EXCLUDED.error,
    next_attempt_at = now() + least(600, 2 ^ least(f.attempts + 1, 10)) * interval '1 s'
RETURNING row_id, attempts, error
