-- Reads the 10 oldest notifications that were not sent. Each result row also has the total number,
-- up to 1000. These count as not sent: notifications that failed or were suppressed in the last 7
-- days, and pending ones with more than 5 attempts.
SELECT id, detail, since, count(*) OVER () AS total
FROM (
    SELECT
        order_id AS id,
        format('%s by %s, %s: %s', type, channel, state, last_error) AS detail,
        updated_at AS since
    FROM notifications
    WHERE state IN ('FAILED', 'SUPPRESSED')
        AND updated_at > now() - interval '7 days'
    UNION ALL
    SELECT
        order_id,
        format('%s by %s, tried %s times: %s', type, channel, attempts, last_error),
        due_since
    FROM notifications
    WHERE state = 'PENDING'
        AND attempts > 5
    ORDER BY since, id
    LIMIT 1000
) s
ORDER BY since, id
LIMIT 10
