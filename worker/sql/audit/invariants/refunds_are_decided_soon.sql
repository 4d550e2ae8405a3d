-- No refund is PENDING for longer than the given number of milliseconds.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT order_id AS subject, format('%s is PENDING since %s', id, created_at) AS detail
FROM refunds
WHERE state = 'PENDING'
    AND created_at < now() - $3 * interval '1 ms'
