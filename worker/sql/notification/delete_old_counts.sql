-- Deletes the counts of windows that began more than the given number of seconds ago.
DELETE FROM notice_counts
WHERE window_start < now() - $1::bigint * interval '1 second'
