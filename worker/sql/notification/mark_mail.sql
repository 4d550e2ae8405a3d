-- Marks the notification that was sent as an e-mail, if it has one of the given states. Tells
-- whether it was marked. There is no row if no notification was sent as this e-mail.
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
