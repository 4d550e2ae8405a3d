-- Records the result of an attempt to send a notification. A notification that is still PENDING
-- becomes FAILED if it has been due for longer than the given number of milliseconds. The order's
-- later notifications on the channel have waited for this one. They become due together with it if
-- it is still PENDING, and otherwise at once.
WITH tried AS (
    UPDATE notifications
    SET provider_id = $6,
        last_error = $7,
        next_attempt_at = now() + $8::bigint * interval '1 millisecond',
        state = CASE
            WHEN $5 = 'PENDING' AND due_since < now() - $9::bigint * interval '1 millisecond' THEN 'FAILED'
            ELSE $5
        END
    WHERE (order_id, type, channel, about) = ($1, $2, $3, $4)
        AND state = 'PENDING'
    RETURNING state, next_attempt_at
)
UPDATE notifications later
SET next_attempt_at = CASE WHEN tried.state = 'PENDING' THEN tried.next_attempt_at ELSE now() END
FROM tried
WHERE later.order_id = $1
    AND later.channel = $3
    AND later.state = 'PENDING'
    AND later.attempts = 0
