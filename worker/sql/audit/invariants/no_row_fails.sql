-- No row is a failing row.
WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint)
SELECT
    row_id AS subject,
    format('%s: failed %s times since %s: %s', loop, attempts, date_trunc('second', since), error) AS detail
FROM failing_rows
