-- Clears the failures of rows that succeeded or no longer exist.
DELETE FROM failing_rows
WHERE loop = $1
    AND row_id = ANY ($2)
