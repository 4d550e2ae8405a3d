-- Every change of a status is published to other systems within a minute.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT order_id AS subject, format('%s at %s is not published', status, at) AS detail
FROM order_history
WHERE published_at IS NULL
    AND at < now() - interval '1 minute'
