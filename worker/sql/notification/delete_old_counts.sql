-- Deletes the counts of windows that are over.
DELETE FROM notice_counts
WHERE window_start < now() - $1::bigint * interval '1 second'
