-- Counts how many of the given rows are failing rows of the given loops.
SELECT count(*) AS failing
FROM failing_rows
WHERE loop = ANY ($1)
    AND row_id = ANY ($2)
