-- Deletes a finding.
DELETE FROM failing_rows
WHERE loop = $1
    AND row_id = $2
