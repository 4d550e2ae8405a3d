-- Lists the order's messages to its customer, without addresses and texts. The error of a message
-- is left out, since it may quote the address.
SELECT
    created_at AS at,
    concat_ws(' ', 'notice', type, nullif(channel, 'NONE'), nullif(about, '')) AS subject,
    'RECORDED' AS state,
    CASE WHEN channel = 'NONE' THEN 'the order has no contact' ELSE '' END AS detail,
    NULL::bigint AS amount_minor
FROM notifications
WHERE order_id = $1
UNION ALL
SELECT
    CASE WHEN state <> 'PENDING' THEN updated_at END,
    concat_ws(' ', 'notice', type, nullif(channel, 'NONE'), nullif(about, '')),
    state,
    concat_ws(
        ', ',
        attempts || ' attempts',
        CASE WHEN state = 'PENDING' THEN 'the next one at ' || date_trunc('seconds', next_attempt_at AT TIME ZONE 'UTC') || ' UTC' END
    ),
    NULL
FROM notifications
WHERE order_id = $1
    AND state <> 'RECORDED'
