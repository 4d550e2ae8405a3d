-- Reads the 10 oldest failing rows of a loop. Each result row also has the total number,
-- up to 1000.
SELECT id, detail, since, count(*) OVER () AS total
FROM (
    SELECT
        row_id AS id,
        format('failed %s times: %s', attempts, error) AS detail,
        since
    FROM failing_rows
    WHERE loop = $1
    ORDER BY since, id
    LIMIT 1000
) s
ORDER BY since, id
LIMIT 10
