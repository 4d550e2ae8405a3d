-- Marks the notice that went out as a mail, if it has one of the states given, and tells whether it did.
WITH marked AS (
    UPDATE notifications
    SET state = $2, last_error = $4
    WHERE provider_id = $1
        AND channel = 'EMAIL'
        AND state = ANY ($3)
    RETURNING order_id
)
SELECT order_id, type AS kind, EXISTS (SELECT FROM marked) AS is_marked
FROM notifications
WHERE provider_id = $1
    AND channel = 'EMAIL'
