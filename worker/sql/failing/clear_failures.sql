-- Clears the failures of rows that succeeded.
DELETE FROM failing_rows
WHERE loop = $1
    AND row_id = ANY ($2)
