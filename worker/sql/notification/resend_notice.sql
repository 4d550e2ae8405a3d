-- Makes notifications due as if they were new, without limits. A pending notification is changed
-- only if its next attempt is more than a minute away. Otherwise a worker may be sending it now.
UPDATE notifications
SET state = 'PENDING',
    attempts = 0,
    admitted = true,
    due_since = now(),
    next_attempt_at = now(),
    last_error = NULL
WHERE order_id = $1
    AND type = $2
    AND channel <> 'NONE'
    AND channel = coalesce($3, channel)
    AND (state <> 'PENDING' OR next_attempt_at > now() + interval '1 minute')
